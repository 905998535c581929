using FilterPruning.Criteria;
using FilterPruning.Latency;

namespace FilterPruning.Planning;

/// <summary>What to remove from a model. Immutable; the defaults remove nothing.</summary>
public sealed record PruningOptions
{
    /// <summary>Share of the channel groups to remove: at least 0 and below 1. Default 0. Give either this or a <see cref="Target"/>.</summary>
    public double Ratio { get; init; }

    /// <summary>What the model may cost afterwards: a share or an amount that <b>remains</b>. Default null: <see cref="Ratio"/> counts.</summary>
    public PruningTarget? Target { get; init; }

    /// <summary>Among which groups the ratio or target is shared out. Default <see cref="PruningScope.Local"/>.</summary>
    public PruningScope Scope { get; init; } = PruningScope.Local;

    /// <summary>How important a filter is. Default <see cref="L1Criterion"/>.</summary>
    public IPruningCriterion Criterion { get; init; } = new L1Criterion();

    /// <summary>How scores of different layers are made comparable. Default <see cref="ScoreNormalization.None"/>.</summary>
    public ScoreNormalization Normalization { get; init; } = ScoreNormalization.None;

    /// <summary>How the scores of a group's filters become one score. Default <see cref="GroupReduction.Mean"/>.</summary>
    public GroupReduction Reduction { get; init; } = GroupReduction.Mean;

    /// <summary>
    /// Widths are rounded to the nearest multiple of this, never to 0 and never above the present width. At least 1, which is the default.
    /// Kernels of many processors run fastest at multiples of 8 or 16.
    /// </summary>
    public int ChannelMultiple { get; init; } = 1;

    /// <summary>The fewest output channels a layer may be left with; a narrower layer stays as it is. At least 1, which is the default.</summary>
    public int MinimumWidth { get; init; } = 1;

    /// <summary>
    /// Ratios for single layers instead of the general one, under any scope and target: what makes the layers' output channels loses just this share, and
    /// the rest is shared out without it. Where several entries match a layer, or layers that are tied to each other, the last entry wins. A pattern that
    /// matches no layer is an error. Default none.
    /// </summary>
    public IReadOnlyList<LayerRatio> LayerRatios { get; init; } = [];

    /// <summary>The largest share of its output channels that any layer may lose: above 0, at most 1. Default 1: no limit but <see cref="MinimumWidth"/>.</summary>
    public double MaximumLayerRatio { get; init; } = 1;

    /// <summary>
    /// Whether a layer that has parameters, none of which asks for a gradient, keeps its channels on both sides: frozen weights cannot adapt to the loss.
    /// Default false.
    /// </summary>
    public bool KeepFrozen { get; init; }

    /// <summary>
    /// Layers that are left alone. A pattern is a layer's name or that of a module around it; <c>*</c> stands for any run of characters,
    /// dots included, <c>?</c> for one. A layer keeps its channels on both sides; with <c>:outputs</c> after the pattern only those it makes, with
    /// <c>:inputs</c> only those it reads. Where channels pass through a layer (norms), both sides are one. A pattern that matches no layer is an error.
    /// Default none.
    /// </summary>
    public IReadOnlyList<string> Ignore { get; init; } = [];

    /// <summary>
    /// Whether <see cref="Pruner"/> traces the model again after the cut and compares its ties with the expected ones. Default false: the
    /// proof of equivalence covers the same ground for the example at hand, and tracing a large model takes seconds.
    /// </summary>
    public bool VerifyTrace { get; init; }

    /// <summary>
    /// The times of the model's layers on this machine: what a <see cref="PruningTarget"/> of latency is reckoned with. Under any ratio and target, where <see cref="ChannelMultiple"/> is 1, widths are rounded to
    /// the model's <see cref="FilterPruning.Latency.LatencyModel.ChannelMultiple"/>, the multiple that was measured to be fast. Default null.
    /// </summary>
    public LatencyModel? Latency { get; init; }

    /// <summary>
    /// Optimizers that train the model and keep momenta or other running averages; <see cref="Pruner"/> cuts these with the parameters. Default none. See
    /// <see cref="Surgery.SurgeryOptions.Optimizers"/>.
    /// </summary>
    public IReadOnlyList<optim.Optimizer> Optimizers { get; init; } = [];

    /// <summary>With widths in the multiples that are fast here, where they were measured and nothing else was asked for.</summary>
    internal PruningOptions WithFastWidths() =>
        ChannelMultiple == 1 && Latency is { ChannelMultiple: > 1 and var multiple } ? this with { ChannelMultiple = multiple } : this;

    /// <summary>Throws one exception that lists everything that is wrong.</summary>
    internal void Validate() => LayerPattern.ThrowAll(Violations());

    /// <summary>Everything that is wrong, one sentence each.</summary>
    internal List<string> Violations()
    {
        var errors = new List<string>();
        if (!(Ratio >= 0 && Ratio < 1))
            errors.Add($"{nameof(Ratio)} is {Ratio}; allowed is 0 <= ratio < 1. Give the share of the channels to remove, for instance 0.4.");
        if (Target is not null && Ratio != 0)
            errors.Add($"{nameof(Ratio)} is {Ratio} and {nameof(Target)} is '{Target}'; allowed is one of them. Leave one out: a ratio says what goes, a target what remains.");
        if (Target is { Measure: TargetMeasure.Latency } && Latency is null)
            errors.Add($"{nameof(Target)} is '{Target}' and {nameof(Latency)} is null; a target of latency needs the times of the model's layers. Give {nameof(LatencyModel)}.{nameof(LatencyModel.Measure)}(graph).");
        if (!Enum.IsDefined(Scope))
            errors.Add($"{nameof(Scope)} is {(int)Scope}; allowed are {Names<PruningScope>()}. Choose one of them.");
        if (Criterion is null)
            errors.Add($"{nameof(Criterion)} is null; allowed is any criterion. Leave it out to use {nameof(L1Criterion)}.");
        if (!Enum.IsDefined(Normalization))
            errors.Add($"{nameof(Normalization)} is {(int)Normalization}; allowed are {Names<ScoreNormalization>()}. Choose one of them.");
        if (!Enum.IsDefined(Reduction))
            errors.Add($"{nameof(Reduction)} is {(int)Reduction}; allowed are {Names<GroupReduction>()}. Choose one of them.");
        if (ChannelMultiple < 1)
            errors.Add($"{nameof(ChannelMultiple)} is {ChannelMultiple}; allowed is 1 or more. Use 1 for widths of any size.");
        if (MinimumWidth < 1)
            errors.Add($"{nameof(MinimumWidth)} is {MinimumWidth}; allowed is 1 or more. A layer without channels cannot run.");
        if (Ignore is null)
            errors.Add($"{nameof(Ignore)} is null; allowed is a list of patterns. Leave it out to ignore nothing.");
        else if (Ignore.Any(string.IsNullOrWhiteSpace))
            errors.Add($"{nameof(Ignore)} holds an empty pattern; allowed are names of layers with * and ?. Remove it.");
        ValidateLayers(errors);
        return errors;
    }

    /// <summary>The share of the groups to remove, where groups are what is counted.</summary>
    internal decimal RatioToRemove => Target is { Measure: TargetMeasure.Filters, Share: { } share } ? 1 - (decimal)share : (decimal)Ratio;

    /// <summary>Whether nothing is to go, so that no layer needs a reason to stay.</summary>
    internal bool AsksForNothing => Ratio == 0 && Target is null && LayerRatios.All(entry => entry.Ratio == 0);

    private void ValidateLayers(List<string> errors)
    {
        if (!(MaximumLayerRatio > 0 && MaximumLayerRatio <= 1))
            errors.Add($"{nameof(MaximumLayerRatio)} is {MaximumLayerRatio}; allowed is 0 < ratio <= 1. Use 1 for no limit.");
        if (LayerRatios is null)
        {
            errors.Add($"{nameof(LayerRatios)} is null; allowed is a list of patterns with ratios. Leave it out to treat all layers alike.");
            return;
        }

        foreach (var entry in LayerRatios)
        {
            if (string.IsNullOrWhiteSpace(entry?.Pattern))
                errors.Add($"{nameof(LayerRatios)} holds an empty pattern; allowed are names of layers with * and ?. Remove it.");
            else if (!(entry.Ratio >= 0 && entry.Ratio < 1))
                errors.Add($"{nameof(LayerRatios)} gives '{entry.Pattern}' the ratio {entry.Ratio}; allowed is 0 <= ratio < 1. Give the share of its channels to remove.");
            else if (entry.Ratio > MaximumLayerRatio)
                errors.Add($"{nameof(LayerRatios)} gives '{entry.Pattern}' the ratio {entry.Ratio}; allowed is at most {nameof(MaximumLayerRatio)}, {MaximumLayerRatio}. Change one of them.");
        }
    }

    private static string Names<T>()
        where T : struct, Enum
        => string.Join(", ", Enum.GetNames<T>());
}
