using System.Globalization;

namespace FilterPruning.Detection.Training;

/// <summary>The boxes on which a student's box and mask heads are compared with the teacher's.</summary>
public enum DistillationProposals
{
    /// <summary>Where labels are used, the boxes that the student's own losses sample, so that its heads run once; otherwise the teacher's proposals.</summary>
    Automatic,

    /// <summary>The student's proposals (where labels are used, as sampled by its losses).</summary>
    Student,

    /// <summary>The teacher's proposals.</summary>
    Teacher,
}

/// <summary>
/// What a small detector learns from a large one, and how much each part weighs. Plain data. Every term is 0 where student and teacher agree; with default weights the terms are of the size of
/// Mask R-CNN's own losses or below. A weight of 0 switches a term off, and what only it needs is not computed.
/// </summary>
/// <remarks>
/// Hinton, Vinyals, Dean, <em>Distilling the knowledge in a neural network</em> (2015): a student learns the teacher's whole distribution, softened by a temperature. Chen, Choi, Yu, Han,
/// Chandraker, <em>Learning efficient object detection models with knowledge distillation</em> (NeurIPS 2017): for Faster R-CNN, with hints from features (Romero et al., <em>FitNets</em>, ICLR 2015) and with
/// the outputs of RPN and box head. Unlike theirs, offsets and masks are weighed by the teacher's own probabilities instead of by matched objects, so that no term needs labels.
/// </remarks>
public sealed record DistillationOptions
{
    /// <summary>
    /// Weight of the pyramid's features. Default 1. The term is, averaged over the four levels, the squared distance to the teacher's features in the channels that the student kept, divided by those
    /// features' own squared norm: 1 for a student that gives zeros.
    /// </summary>
    public double Features { get; init; } = 1;

    /// <summary>Weight of the RPN's objectness. Default 1. The term is the mean Kullback-Leibler divergence over a sample of anchors, half of them the teacher's best, half random.</summary>
    public double Objectness { get; init; } = 1;

    /// <summary>Weight of the RPN's offsets. Default 1. The term is smooth L1 over the same anchors, each weighed by the teacher's objectness, divided by their number.</summary>
    public double RpnBoxes { get; init; } = 1;

    /// <summary>Weight of the box head's classes. Default 1. The term is the mean Kullback-Leibler divergence of the classes at <see cref="Temperature"/>, times its square.</summary>
    public double Classes { get; init; } = 1;

    /// <summary>Weight of the box head's offsets. Default 1. The term is smooth L1 over boxes and foreground classes, each weighed by the teacher's probability, divided by the number of boxes.</summary>
    public double Boxes { get; init; } = 1;

    /// <summary>Weight of the masks. Default 1. The term is the mean Kullback-Leibler divergence of the pixels of the teacher's likeliest foreground class, each box weighed by its probability.</summary>
    public double Masks { get; init; } = 1;

    /// <summary>Softens the classes' distributions; above 0. Default 2. The factor <c>T²</c> keeps gradients at one size whatever the temperature (Hinton et al., section 2).</summary>
    public double Temperature { get; init; } = 2;

    /// <summary>The boxes on which heads are compared. Default <see cref="DistillationProposals.Automatic"/>.</summary>
    public DistillationProposals Proposals { get; init; }

    /// <summary>Whether any term has a weight.</summary>
    internal bool Any => NeedsFeatures || NeedsRpn || NeedsRoi;

    internal bool NeedsFeatures => Features > 0;

    internal bool NeedsRpn => Objectness > 0 || RpnBoxes > 0;

    internal bool NeedsRoi => Classes > 0 || Boxes > 0 || Masks > 0;

    /// <summary>Every property that changes results, for checkpoints.</summary>
    internal string Describe() => string.Create(
        CultureInfo.InvariantCulture,
        $"features {Features}, objectness {Objectness}, rpn boxes {RpnBoxes}, classes {Classes}, boxes {Boxes}, masks {Masks}, temperature {Temperature}, proposals {Proposals}");

    /// <summary>Lists what is out of range.</summary>
    internal IEnumerable<string> Violations()
    {
        (string Name, double Value)[] weights =
        [
            (nameof(Features), Features), (nameof(Objectness), Objectness), (nameof(RpnBoxes), RpnBoxes), (nameof(Classes), Classes), (nameof(Boxes), Boxes), (nameof(Masks), Masks),
        ];
        foreach ((string name, double value) in weights.Where(w => !(w.Value >= 0 && double.IsFinite(w.Value))))
            yield return string.Create(CultureInfo.InvariantCulture, $"  Distillation.{name} is {value}; allowed: 0 (off) or more.");
        if (!(Temperature > 0 && double.IsFinite(Temperature)))
            yield return string.Create(CultureInfo.InvariantCulture, $"  Distillation.{nameof(Temperature)} is {Temperature}; allowed: above 0.");
        if (!Enum.IsDefined(Proposals))
            yield return $"  Distillation.{nameof(Proposals)} is {(int)Proposals}; allowed: one of {string.Join(", ", Enum.GetNames<DistillationProposals>())}.";
    }
}
