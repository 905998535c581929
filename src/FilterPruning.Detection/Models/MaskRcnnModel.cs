namespace FilterPruning.Detection.Models;

/// <summary>
/// Mask R-CNN: finds objects, their classes and their masks. Layer and weight names are torchvision's. Made by <see cref="MaskRcnn"/>.
/// </summary>
/// <remarks>
/// <see cref="Detect(IReadOnlyList{Tensor})"/> always works with the test settings and the losses with the training settings, whatever
/// <see cref="nn.Module.training"/> says; that flag matters to live BatchNorm alone. Both follow the ambient gradient mode: call
/// <see cref="Detect(IReadOnlyList{Tensor})"/> under <c>torch.no_grad()</c> unless gradients are wanted.
/// <para>Threads: any number may detect at once on one model in evaluation mode, prepared for inference or not, and each gets what it would get alone; the grad mode and the number of torch's threads belong to each thread.
/// Everything else needs the model alone: losses, training, loading weights, tracing, cuts and their undo, repairs, <see cref="PrepareForInference"/> and its end, and disposing it. Where one of these meets a running detection, it or
/// the detection throws <see cref="InvalidOperationException"/> (see <see cref="ModelUse"/>); loading, losses and disposing do not look.</para>
/// </remarks>
public sealed class MaskRcnnModel : nn.Module
{
    private readonly BackboneWithFpn backbone;
    private readonly RegionProposalNetwork rpn;
    private readonly RoiHeads roi_heads;
    private readonly GeneralizedRcnnTransform _transform;
    private PreparedInference? _prepared;

    internal MaskRcnnModel(ResNetShape shape, int numClasses, MaskRcnnOptions options)
        : base(nameof(MaskRcnnModel))
    {
        options.Validate(numClasses);
        NumClasses = numClasses;
        Options = options;
        _transform = new GeneralizedRcnnTransform(options);
        SamplingGenerator = new Generator((ulong)options.Seed);
        using var generator = new Generator((ulong)options.Seed);
        (backbone, rpn, roi_heads) = WeightInit.KeepingGlobalState(() => (
            new BackboneWithFpn(shape, options, generator),
            new RegionProposalNetwork(options, generator),
            new RoiHeads(numClasses, options, generator)));
        RegisterComponents();

        // A model made inside a dispose scope outlives it, as TorchSharp's own layers do.
        foreach (var buffer in buffers())
            buffer.DetachFromDisposeScope();
    }

    internal RoiHeads Heads => roi_heads;

    internal RegionProposalNetwork Rpn => rpn;

    /// <summary>The number of classes, the background included.</summary>
    public int NumClasses { get; }

    /// <summary>The options the model was made with. Pruning changes widths, not these.</summary>
    public MaskRcnnOptions Options { get; }

    /// <summary>Draws the samples of <see cref="Losses(IReadOnlyList{Tensor}, IReadOnlyList{Target})"/>; seeded with <see cref="MaskRcnnOptions.Seed"/>. Its state can be saved and restored.</summary>
    public Generator SamplingGenerator { get; }

    /// <summary>Finds objects.</summary>
    /// <param name="images">float32 <c>[3, H, W]</c>, RGB, 0 … 1, any sizes.</param>
    /// <returns>For each image what was found, possibly nothing; the caller owns it.</returns>
    /// <exception cref="ArgumentException">An image has another shape or type.</exception>
    /// <exception cref="InvalidOperationException">The model is being changed on another thread.</exception>
    public IReadOnlyList<Detection> Detect(IReadOnlyList<Tensor> images) => Detect(images, clock: null);

    /// <summary>Finds objects and says where the time went.</summary>
    /// <inheritdoc cref="Detect(IReadOnlyList{Tensor})"/>
    /// <param name="images">float32 <c>[3, H, W]</c>, RGB, 0 … 1, any sizes.</param>
    /// <param name="times">The time of each stage is added to it.</param>
    public IReadOnlyList<Detection> Detect(IReadOnlyList<Tensor> images, StageTimes times)
    {
        ArgumentNullException.ThrowIfNull(times);
        return Detect(images, new StageClock(times));
    }

    /// <summary>
    /// Lets the detector run faster until the result is disposed: each convolution of the backbone, the pyramid, the RPN and the mask head takes one pass of oneDNN together with its norm, its sum and its ReLU, with
    /// channels innermost and weights in the order of the processor's kernel; so do the two large linear layers of the box head.
    /// </summary>
    /// <returns>Dispose it to run layer by layer again, bit for bit as before. Preparing a prepared detector gives the same object.</returns>
    /// <remarks>
    /// <para>Weights, buffers and options stay as they are, so the detector may be saved, pruned and trained meanwhile; what was computed from a weight is computed anew after it changed. It works only under <c>torch.no_grad()</c>, in
    /// float32 on the CPU and for layers without hooks; everywhere else, as in a trace or a loss, each layer runs by itself. Outputs differ by rounding, so a score next to a threshold may fall on its other side.</para>
    /// <para>Costs a second copy of these weights, about 170 MB for a ResNet-50, and one reordering (some 50 ms) at the first image of a new padded size.</para>
    /// </remarks>
    /// <exception cref="InvalidOperationException">The detector is detecting, or being changed, on another thread.</exception>
    public PreparedInference PrepareForInference()
    {
        if (_prepared is { } already)
            return already;
        using var alone = ModelUse.Change(this, "a preparation for inference");
        return _prepared ??= new PreparedInference(this, modules().OfType<IFusible>().SelectMany(part => part.Fusions), ended: () => _prepared = null);
    }

    private Detection[] Detect(IReadOnlyList<Tensor> images, StageClock? clock)
    {
        CheckImages(images);
        if (images.Count == 0)
            return [];
        using var scope = NewDisposeScope();
        var (found, sizes) = DetectAtNetworkScale(images, clock);
        var detections = found.Select((detection, i) => GeneralizedRcnnTransform.Postprocess(detection, sizes[i], Size(images[i]))).ToArray();
        foreach (var detection in detections)
            scope.MoveToOuter(detection.Boxes, detection.Labels, detection.Scores, detection.Masks);
        clock?.Mark(DetectionStage.Paste);
        return detections;
    }

    /// <summary>The five losses on a batch, sampled with <see cref="SamplingGenerator"/>.</summary>
    /// <param name="images">float32 <c>[3, H, W]</c>, RGB, 0 … 1, any sizes.</param>
    /// <param name="targets">What is on each; images without objects are allowed.</param>
    /// <returns>Scalars with gradients where the ambient mode has them; the caller owns them.</returns>
    /// <exception cref="ArgumentException">A shape, a type, a box or a label is not as documented; the message names it.</exception>
    public LossDict Losses(IReadOnlyList<Tensor> images, IReadOnlyList<Target> targets) => Losses(images, targets, SamplingGenerator);

    /// <summary>The five losses on a batch, sampled with a generator: the same state gives the same losses.</summary>
    /// <inheritdoc cref="Losses(IReadOnlyList{Tensor}, IReadOnlyList{Target})"/>
    /// <param name="images">float32 <c>[3, H, W]</c>, RGB, 0 … 1, any sizes.</param>
    /// <param name="targets">What is on each; images without objects are allowed.</param>
    /// <param name="generator">Draws the samples of anchors and proposals, and the sizes if <see cref="MaskRcnnOptions.TrainMinSizes"/> has several.</param>
    public LossDict Losses(IReadOnlyList<Tensor> images, IReadOnlyList<Target> targets, Generator generator)
    {
        ArgumentNullException.ThrowIfNull(targets);
        using var scope = NewDisposeScope();
        var batch = TrainingBatch(images, targets, generator);
        var (features, prediction) = Look(batch);
        var proposals = rpn.Propose(prediction, batch.Sizes, training: true);
        var resized = ResizeTargets(images, targets, batch);
        var (objectness, rpnBoxRegression) = rpn.Losses(prediction, features, [.. resized.Select(target => target.Boxes)], generator);
        var (classifier, boxRegression, mask) = roi_heads.Losses(features, proposals, batch.Sizes, resized, generator);
        return new LossDict(
            classifier.MoveToOuterDisposeScope(),
            boxRegression.MoveToOuterDisposeScope(),
            mask.MoveToOuterDisposeScope(),
            objectness.MoveToOuterDisposeScope(),
            rpnBoxRegression.MoveToOuterDisposeScope());
    }

    /// <summary>Sets the value frozen norms add to the variance; torchvision's COCO checkpoint needs 0.</summary>
    /// <param name="eps">Finite, not negative.</param>
    public void OverwriteFrozenNormEps(double eps)
    {
        if (!(eps >= 0 && double.IsFinite(eps)))
            throw new ArgumentOutOfRangeException(nameof(eps), eps, "The value added to the variance must be finite and not negative.");
        foreach (var norm in modules().OfType<Ops.FrozenBatchNorm2d>())
            norm.Eps = eps;
    }

    /// <summary>What is found, at the scale of the resized images and with masks of 28 × 28, and the heights and widths of these; moved to the caller's scope.</summary>
    internal (Detection[] Found, IReadOnlyList<(int Height, int Width)> Sizes) DetectAtNetworkScale(IReadOnlyList<Tensor> images, StageClock? clock = null)
    {
        using var running = ModelUse.Run(this);
        using var scope = NewDisposeScope();
        var (batch, features, _, proposals) = Propose(images, clock);
        var found = roi_heads.Detect(features, proposals, batch.Sizes, clock);
        foreach (var detection in found)
            scope.MoveToOuter(detection.Boxes, detection.Labels, detection.Scores, detection.Masks);
        return (found, batch.Sizes);
    }

    /// <summary>Everything up to the proposals with the test settings; moved to the caller's scope.</summary>
    internal ProposalStage ProposeForTest(IReadOnlyList<Tensor> images)
    {
        CheckImages(images);
        return Propose(images, clock: null);
    }

    /// <summary>Checks images, and targets where there are any, and makes the batch that the losses work on: sizes drawn as for training. Moved to the caller's scope.</summary>
    internal ImageList TrainingBatch(IReadOnlyList<Tensor> images, IReadOnlyList<Target>? targets, Generator generator)
    {
        CheckImages(images);
        if (targets is not null)
            TargetCheck.Throw(images, targets, NumClasses);
        return _transform.Apply(images, DrawMinSizes(images.Count, generator));
    }

    /// <summary>The targets at the scale of a batch made of their images; moved to the caller's scope.</summary>
    internal static Target[] ResizeTargets(IReadOnlyList<Tensor> images, IReadOnlyList<Target> targets, ImageList batch) =>
        [.. targets.Select((target, i) => GeneralizedRcnnTransform.ResizeTarget(target, Size(images[i]), batch.Sizes[i]))];

    /// <summary>The pyramid of a batch, and what the RPN says about all of its anchors; moved to the caller's scope.</summary>
    internal (Tensor[] Features, RpnPrediction Prediction) Look(ImageList batch)
    {
        var features = backbone.call(batch.Tensors);
        return (features, rpn.Predict(batch, features));
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _prepared?.Dispose();
            SamplingGenerator.Dispose();
        }

        base.Dispose(disposing);
    }

    private static (int Height, int Width) Size(Tensor image) => ((int)image.shape[1], (int)image.shape[2]);

    private static void CheckImages(IReadOnlyList<Tensor> images)
    {
        ArgumentNullException.ThrowIfNull(images);
        for (var i = 0; i < images.Count; i++)
        {
            var image = images[i];
            if (image.dtype != float32 || image.dim() != 3 || image.shape[0] != 3 || image.shape[1] == 0 || image.shape[2] == 0)
                throw new ArgumentException($"Image {i} is {image.dtype} [{string.Join(", ", image.shape)}]; give float32 [3, height, width], RGB, values from 0 to 1.", nameof(images));
        }
    }

    private ProposalStage Propose(IReadOnlyList<Tensor> images, StageClock? clock)
    {
        var batch = _transform.Apply(images, MinSizes(images.Count));
        clock?.Mark(DetectionStage.Transform);
        var features = clock is null ? backbone.call(batch.Tensors) : backbone.Run(batch.Tensors, clock);
        var prediction = rpn.Predict(batch, features);
        clock?.Mark(DetectionStage.RpnHead);
        var proposals = rpn.Propose(prediction, batch.Sizes, training: false);
        clock?.Mark(DetectionStage.Proposals);
        return new ProposalStage(batch, features, prediction, proposals);
    }

    private int[] MinSizes(int count) => [.. Enumerable.Repeat(Options.MinSize, count)];

    private int[] DrawMinSizes(int count, Generator generator)
    {
        var sizes = Options.TrainMinSizes;
        if (sizes.Count == 0)
            return MinSizes(count);
        using var draws = randint(sizes.Count, [count], dtype: int64, generator: generator);
        return [.. draws.data<long>().Select(draw => sizes[(int)draw])];
    }
}
