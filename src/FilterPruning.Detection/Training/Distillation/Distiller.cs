using FilterPruning.Detection.Models;

namespace FilterPruning.Detection.Training;

/// <summary>
/// Runs a student and its teacher on one batch and compares what they say: the pyramid's features in the channels that the student kept, the RPN on the same anchors, the heads on the same boxes.
/// With labels the student's own losses come out of the same forward. The teacher is never changed.
/// </summary>
/// <remarks>Not safe for use by several threads at once. Holds both models, owns only a list of channel numbers.</remarks>
public sealed class Distiller : IDisposable
{
    private readonly MaskRcnnModel _student;
    private readonly MaskRcnnModel _teacher;
    private readonly DistillationOptions _options;
    private readonly Tensor? _channels;

    /// <summary>Checks that the two can be compared.</summary>
    /// <param name="student">The model that learns; not owned.</param>
    /// <param name="teacher">The model that knows; not owned.</param>
    /// <param name="options">What is compared; null for the defaults.</param>
    /// <exception cref="ArgumentException">Options out of range, or a teacher that cannot be compared with the student; lists everything that is wrong.</exception>
    public Distiller(MaskRcnnModel student, DistillationTeacher teacher, DistillationOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(student);
        ArgumentNullException.ThrowIfNull(teacher);
        options ??= new DistillationOptions();
        string[] violations = [.. options.Violations(), .. teacher.Mismatches(student)];
        if (violations.Length > 0)
            throw new ArgumentException($"The student cannot learn from this teacher:{Environment.NewLine}{string.Join(Environment.NewLine, violations)}");
        if (!options.Any)
            throw new ArgumentException("Every term of the distillation has the weight 0; give at least one above 0, or no teacher.", nameof(options));
        (_student, _teacher, _options) = (student, teacher.Model, options);
        if (options.NeedsFeatures)
        {
            long[] kept = [.. teacher.KeptChannels(student).Select(channel => (long)channel)];
            _channels = tensor(kept, device: student.parameters().First().device).DetachFromDisposeScope();
        }
    }

    /// <summary>The terms on unlabelled images, at the sizes and limits of training.</summary>
    /// <param name="images">float32 <c>[3, H, W]</c>, RGB, 0 … 1, any sizes.</param>
    /// <param name="generator">Draws sizes, anchors and boxes: the same state gives the same terms.</param>
    /// <returns>Scalars; the caller owns them.</returns>
    public DistillationLosses Losses(IReadOnlyList<Tensor> images, Generator generator)
    {
        ArgumentNullException.ThrowIfNull(generator);
        using var scope = NewDisposeScope();
        return Run(images, null, generator).Terms.MoveToOuterDisposeScope();
    }

    /// <summary>The student's own losses, with the weighed terms as <see cref="LossDict.Distillation"/>; without targets its own losses are 0.</summary>
    /// <param name="images">float32 <c>[3, H, W]</c>, RGB, 0 … 1, any sizes.</param>
    /// <param name="targets">What is on each; null to learn from the teacher alone.</param>
    /// <param name="generator">Draws sizes, anchors and boxes: the same state gives the same losses.</param>
    /// <returns>Scalars; the caller owns them.</returns>
    public LossDict Losses(IReadOnlyList<Tensor> images, IReadOnlyList<Target>? targets, Generator generator)
    {
        ArgumentNullException.ThrowIfNull(generator);
        using var scope = NewDisposeScope();
        (DistillationLosses terms, LossDict? own) = Run(images, targets, generator);
        Tensor Own(Func<LossDict, Tensor> read) => (own is null ? zeros(1, device: images[0].device).squeeze() : read(own)).MoveToOuterDisposeScope();
        return new LossDict(Own(l => l.Classifier), Own(l => l.BoxRegression), Own(l => l.Mask), Own(l => l.Objectness), Own(l => l.RpnBoxRegression))
        {
            Distillation = terms.Total(_options).MoveToOuterDisposeScope(),
        };
    }

    /// <summary>Disposes the list of channels, neither model.</summary>
    public void Dispose() => _channels?.Dispose();

    private (DistillationLosses Terms, LossDict? Own) Run(IReadOnlyList<Tensor> images, IReadOnlyList<Target>? targets, Generator generator)
    {
        ImageList batch = _student.TrainingBatch(images, targets, generator);
        var mine = new View(_student, batch);
        View known = Quietly(() => new View(_teacher, batch));

        // The student's own losses first, and drawn in their usual order: with a teacher that weighs nothing a training is what it is without one.
        Target[]? resized = targets is null ? null : MaskRcnnModel.ResizeTargets(images, targets, batch);
        Tensor[]? proposals = resized is null ? null : _student.Rpn.Propose(mine.Prediction, batch.Sizes, training: true);
        (Tensor Objectness, Tensor Boxes)? rpn = resized is null ? null : _student.Rpn.Losses(mine.Prediction, mine.Features, [.. resized.Select(t => t.Boxes)], generator);
        RoiSample[]? samples = resized is null ? null : _student.Heads.Draw(proposals!, resized, generator);
        HeadOutputs? sampled = samples is null ? null : HeadOutputs.Of(_student, mine.Features, RoiChoice.Of(samples), batch);

        (Tensor? objectness, Tensor? rpnBoxes) = CompareRpn(mine, known, generator);
        (Tensor? classes, Tensor? boxes, Tensor? masks) = CompareHeads(mine, known, batch, samples, sampled, generator);
        Tensor? features = _options.NeedsFeatures ? DistillationTerms.Features(mine.Features[..^1], known.Features[..^1], _channels) : null;
        var terms = new DistillationLosses(features, objectness, rpnBoxes, classes, boxes, masks);
        if (samples is null)
            return (terms, null);
        (Tensor classifier, Tensor boxRegression, Tensor mask) = _student.Heads.Losses(sampled!.Logits, sampled.Deltas, sampled.Masks!, samples, resized!);
        return (terms, new LossDict(classifier, boxRegression, mask, rpn!.Value.Objectness, rpn.Value.Boxes));
    }

    private (Tensor? Objectness, Tensor? Boxes) CompareRpn(View mine, View known, Generator generator)
    {
        if (!_options.NeedsRpn)
            return (null, null);
        (Tensor images, Tensor anchors) = ChooseAnchors(known.Prediction, generator);
        (Tensor logits, Tensor deltas) = _student.Rpn.At(mine.Prediction, mine.Features, images, anchors);
        (Tensor wanted, Tensor wantedDeltas) = Quietly(() => _teacher.Rpn.At(known.Prediction, known.Features, images, anchors));
        return (
            _options.Objectness > 0 ? DistillationTerms.Binary(logits, wanted) : null,
            _options.RpnBoxes > 0 ? DistillationTerms.Offsets(deltas, wantedDeltas, wanted.sigmoid()) : null);
    }

    // As many anchors per image as the RPN's own losses sample: half of them those that the teacher likes best, half drawn from all.
    private (Tensor Images, Tensor Anchors) ChooseAnchors(RpnPrediction known, Generator generator)
    {
        long all = known.Objectness.shape[1];
        long count = Math.Min(_student.Options.RpnBatchSizePerImage, all);
        long best = count / 2;
        var images = new List<Tensor>();
        var anchors = new List<Tensor>();
        for (long image = 0; image < known.Objectness.shape[0]; image++)
        {
            (_, Tensor top) = known.Objectness[image].topk((int)best);
            Tensor others = randint(all, [count - best], dtype: int64, generator: generator).to(top.device);
            anchors.Add(cat([top, others]));
            images.Add(full_like(anchors[^1], image));
        }

        return (cat(images), cat(anchors));
    }

    private (Tensor? Classes, Tensor? Boxes, Tensor? Masks) CompareHeads(View mine, View known, ImageList batch, RoiSample[]? samples, HeadOutputs? sampled, Generator generator)
    {
        if (!_options.NeedsRoi)
            return (null, null, null);
        bool shared = samples is not null && _options.Proposals != DistillationProposals.Teacher;
        RoiChoice choice = shared ? RoiChoice.Of(samples!) : ChooseBoxes(mine, known, batch, generator);
        bool needsMasks = _options.Masks > 0;
        HeadOutputs wanted = Quietly(() => HeadOutputs.Of(_teacher, known.Features, choice, batch, needsMasks && shared));
        if (!shared)
        {
            choice = choice.WithMaskRows(wanted.Logits, MaskBoxesPerImage);
            if (needsMasks)
                wanted = wanted with { Masks = Quietly(() => _teacher.Heads.PredictMasks(known.Features, choice.MaskBoxes(), batch.Sizes)) };
        }

        HeadOutputs given = shared ? sampled! : HeadOutputs.Of(_student, mine.Features, choice, batch, needsMasks);
        Tensor probabilities = wanted.Logits.softmax(1);
        return (
            _options.Classes > 0 ? DistillationTerms.Classes(given.Logits, wanted.Logits, _options.Temperature) : null,
            _options.Boxes > 0 ? DistillationTerms.ClassOffsets(given.Deltas, wanted.Deltas, probabilities) : null,
            needsMasks ? DistillationTerms.Masks(given.Masks!, wanted.Masks!, probabilities.index_select(0, choice.MaskRowsOfAll())) : null);
    }

    private int MaskBoxesPerImage => Math.Max(1, (int)(_student.Options.BoxBatchSizePerImage * _student.Options.BoxPositiveFraction));

    // As many proposals per image as the box head's own losses sample: the better half of them the best, the rest drawn from the others.
    private RoiChoice ChooseBoxes(View mine, View known, ImageList batch, Generator generator)
    {
        Tensor[] proposals = _options.Proposals == DistillationProposals.Student
            ? _student.Rpn.Propose(mine.Prediction, batch.Sizes, training: true)
            : _teacher.Rpn.Propose(known.Prediction, batch.Sizes, training: true);
        return new RoiChoice([.. proposals.Select(Choose)], [.. proposals.Select(boxes => zeros(0, dtype: int64, device: boxes.device))]);

        Tensor Choose(Tensor boxes)
        {
            long count = Math.Min(_student.Options.BoxBatchSizePerImage, boxes.shape[0]);
            long best = count / 2;
            Tensor others = randperm(boxes.shape[0] - best, int64, CPU, generator: generator).narrow(0, 0, count - best).to(boxes.device) + best;
            return cat([boxes.narrow(0, 0, best), boxes.index_select(0, others)]);
        }
    }

    private T Quietly<T>(Func<T> run)
    {
        using var quiet = new TeacherRun(_teacher);
        return run();
    }

    /// <summary>What a model makes of a batch before its heads.</summary>
    private sealed class View
    {
        public View(MaskRcnnModel model, ImageList batch) => (Features, Prediction) = model.Look(batch);

        public Tensor[] Features { get; }

        public RpnPrediction Prediction { get; }
    }
}
