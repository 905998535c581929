using FilterPruning.Detection.Ops;
using FilterPruning.Inference;
using TorchSharp.Modules;

namespace FilterPruning.Detection.Models;

/// <summary>
/// Classifies proposals, corrects their boxes and draws their masks. torchvision <c>detection/roi_heads.py</c>. The layers
/// (<see cref="ClassifyBoxes"/>, <see cref="PredictMasks"/>) are apart from what is made of their outputs, so that a caller may choose the boxes.
/// </summary>
internal sealed class RoiHeads : nn.Module, IFusible
{
    private const int BoxPoolSize = 7;
    internal const int MaskPoolSize = 14;
    private const int SamplingRatio = 2;
    internal const double SmallestSide = 1e-2;

    private static readonly string[] Levels = ["0", "1", "2", "3"];

    private readonly TwoMlpHead box_head;
    private readonly FastRcnnPredictor box_predictor;
    private readonly Sequential mask_head;
    private readonly MaskRcnnPredictor mask_predictor;
    private readonly FusedConvolution[] _maskLayers;
    private readonly MultiScaleRoIAlign _boxPool = new(Levels, BoxPoolSize, SamplingRatio);
    private readonly MultiScaleRoIAlign _maskPool = new(Levels, MaskPoolSize, SamplingRatio) { ChannelsLast = true };
    private readonly BoxCoder _coder;
    private readonly Matcher _matcher;
    private readonly BalancedSampler _sampler;
    private readonly MaskRcnnOptions _options;

    public RoiHeads(int numClasses, MaskRcnnOptions options, Generator generator)
        : base(nameof(RoiHeads))
    {
        _options = options;
        var weights = options.BoxRegWeights;
        _coder = new BoxCoder(weights[0], weights[1], weights[2], weights[3]);
        _matcher = new Matcher(options.BoxFgIouThresh, options.BoxBgIouThresh, allowLowQualityMatches: false);
        _sampler = new BalancedSampler(options.BoxBatchSizePerImage, options.BoxPositiveFraction);
        box_head = new TwoMlpHead(options.FpnChannels * BoxPoolSize * BoxPoolSize, options.RepresentationSize, generator);
        box_predictor = new FastRcnnPredictor(options.RepresentationSize, numClasses, generator);
        mask_head = MaskRcnnHeads.Create(options.FpnChannels, options.MaskChannels, options.MaskLayers, generator);
        mask_predictor = new MaskRcnnPredictor(options.MaskChannels, options.MaskReducedChannels, numClasses, generator);
        RegisterComponents();
        _maskLayers = [.. mask_head.children().Select(layer => new FusedConvolution((nn.Module<Tensor, Tensor>)layer))];
    }

    IEnumerable<IFusedLayer> IFusible.Fusions => _maskLayers;

    /// <summary>How boxes are pooled for the box head.</summary>
    public MultiScaleRoIAlign BoxPool => _boxPool;

    /// <summary>How boxes are pooled for the mask head.</summary>
    public MultiScaleRoIAlign MaskPool => _maskPool;

    /// <summary>What is found among the proposals, at the resized images' scale with masks of 28 × 28; moved to the caller's scope.</summary>
    public Detection[] Detect(Tensor[] features, Tensor[] proposals, IReadOnlyList<(int Height, int Width)> sizes, StageClock? clock = null)
    {
        using var scope = NewDisposeScope();
        var pooled = PoolBoxes(features, proposals, sizes);
        clock?.Mark(DetectionStage.BoxAlign);
        var (logits, deltas) = ClassifyPooled(pooled);
        clock?.Mark(DetectionStage.BoxHead);
        var found = new (Tensor Boxes, Tensor Labels, Tensor Scores)[proposals.Length];
        long first = 0;
        for (var i = 0; i < proposals.Length; i++)
        {
            var count = proposals[i].shape[0];
            found[i] = SelectDetections(logits.narrow(0, first, count), deltas.narrow(0, first, count), proposals[i], sizes[i]);
            first += count;
        }

        clock?.Mark(DetectionStage.Selection);
        var crops = PoolMasks(features, [.. found.Select(f => f.Boxes)], sizes);
        clock?.Mark(DetectionStage.MaskAlign);
        var maskLogits = mask_predictor.call(MaskFeatures(crops));
        var masks = SelectMasks(maskLogits, cat(found.Select(f => f.Labels).ToArray())).split(found.Select(f => f.Labels.shape[0]).ToArray());
        clock?.Mark(DetectionStage.MaskHead);
        return [.. found.Select((f, i) => new Detection(
            f.Boxes.MoveToOuterDisposeScope(), f.Labels.MoveToOuterDisposeScope(), f.Scores.MoveToOuterDisposeScope(), masks[i].MoveToOuterDisposeScope()))];
    }

    /// <summary>Runs the box head on boxes.</summary>
    /// <param name="features">The pyramid; the coarsest, fifth level is not used.</param>
    /// <param name="boxes">For each image <c>[K, 4]</c>.</param>
    /// <param name="sizes">The images' heights and widths.</param>
    /// <returns>Logits <c>[ΣK, classes]</c> and offsets <c>[ΣK, classes, 4]</c>, moved to the caller's scope.</returns>
    public (Tensor Logits, Tensor Deltas) ClassifyBoxes(Tensor[] features, IReadOnlyList<Tensor> boxes, IReadOnlyList<(int Height, int Width)> sizes)
    {
        using var scope = NewDisposeScope();
        var (logits, deltas) = ClassifyPooled(PoolBoxes(features, boxes, sizes));
        return (logits.MoveToOuterDisposeScope(), deltas.MoveToOuterDisposeScope());
    }

    // [ΣK, C, 7, 7]
    private Tensor PoolBoxes(Tensor[] features, IReadOnlyList<Tensor> boxes, IReadOnlyList<(int Height, int Width)> sizes) => _boxPool.Pool(features[..4], boxes, sizes);

    // [ΣK, C, 14, 14]
    private Tensor PoolMasks(Tensor[] features, IReadOnlyList<Tensor> boxes, IReadOnlyList<(int Height, int Width)> sizes) => _maskPool.Pool(features[..4], boxes, sizes);

    // [ΣK, C, 7, 7] → [ΣK, classes] and [ΣK, classes, 4]
    private (Tensor Logits, Tensor Deltas) ClassifyPooled(Tensor pooled)
    {
        var (logits, deltas) = box_predictor.call(box_head.call(pooled));
        return (logits, deltas.view(deltas.shape[0], logits.shape[1], 4));
    }

    /// <summary>Runs the mask head on boxes: logits <c>[ΣK, classes, 28, 28]</c>, moved to the caller's scope.</summary>
    public Tensor PredictMasks(Tensor[] features, IReadOnlyList<Tensor> boxes, IReadOnlyList<(int Height, int Width)> sizes)
    {
        using var scope = NewDisposeScope();
        return mask_predictor.call(MaskFeatures(PoolMasks(features, boxes, sizes))).MoveToOuterDisposeScope();
    }

    private Tensor MaskFeatures(Tensor pooled)
    {
        if (!_maskLayers.All(layer => layer.IsFusedFor(pooled)))
            return mask_head.call(pooled);
        foreach (var layer in _maskLayers)
            pooled = layer.Run(pooled);
        return pooled;
    }

    /// <summary>
    /// The detections of one image before masks: score threshold, suppression within each class, the best of all classes.
    /// </summary>
    /// <param name="logits"><c>[K, classes]</c>.</param>
    /// <param name="deltas"><c>[K, classes, 4]</c>.</param>
    /// <param name="proposals"><c>[K, 4]</c>.</param>
    /// <param name="size">The image's height and width.</param>
    /// <returns>Boxes <c>[D, 4]</c>, labels int64 <c>[D]</c>, scores <c>[D]</c>, best first; moved to the caller's scope.</returns>
    public (Tensor Boxes, Tensor Labels, Tensor Scores) SelectDetections(Tensor logits, Tensor deltas, Tensor proposals, (int Height, int Width) size)
    {
        using var scope = NewDisposeScope();
        var probabilities = logits.softmax(1);
        if (TensorMemory.IsManagedWithoutGradient(probabilities, deltas, proposals))
        {
            var settings = new FilterSettings(size, SmallestSide, _options.BoxScoreThresh, _options.BoxNmsThresh, _options.BoxDetectionsPerImage);
            var (found, classes, certainty) = ProposalFilter.Detect(_coder, probabilities, deltas, proposals, settings);
            return (found.MoveToOuterDisposeScope(), classes.MoveToOuterDisposeScope(), certainty.MoveToOuterDisposeScope());
        }

        // Class 0 is the background. Thresholding first leaves few boxes to decode; torchvision decodes all and gets the same.
        var candidates = probabilities.narrow(1, 1, probabilities.shape[1] - 1).gt(_options.BoxScoreThresh).nonzero(); // [M, 2]
        var rows = candidates.select(1, 0);
        var labels = candidates.select(1, 1) + 1;
        var scores = probabilities.index(rows, labels);
        var boxes = _coder.DecodeSingle(deltas.index(rows, labels), proposals.index_select(0, rows));
        boxes = BoxOps.ClipToImage(boxes, size);

        var keep = BoxOps.RemoveSmall(boxes.detach(), SmallestSide);
        var kept = BoxOps.BatchedNms(boxes.detach().index_select(0, keep), scores.detach().index_select(0, keep), labels.index_select(0, keep), _options.BoxNmsThresh);
        keep = keep.index_select(0, kept.narrow(0, 0, Math.Min(_options.BoxDetectionsPerImage, kept.shape[0])));
        return (
            boxes.index_select(0, keep).MoveToOuterDisposeScope(),
            labels.index_select(0, keep).MoveToOuterDisposeScope(),
            scores.index_select(0, keep).MoveToOuterDisposeScope());
    }

    /// <summary>Each box's mask for its own class: logits <c>[K, classes, 28, 28]</c>, labels <c>[K]</c> → probabilities <c>[K, 1, 28, 28]</c>.</summary>
    public static Tensor SelectMasks(Tensor logits, Tensor labels)
    {
        using var scope = NewDisposeScope();
        var rows = arange(labels.shape[0], dtype: int64, device: labels.device);
        return logits.index(rows, labels).sigmoid().unsqueeze(1).MoveToOuterDisposeScope();
    }

    /// <summary>The three losses over a random sample of proposals; scalars, moved to the caller's scope.</summary>
    /// <param name="features">The pyramid.</param>
    /// <param name="proposals">For each image <c>[K, 4]</c>; the objects' own boxes are added.</param>
    /// <param name="sizes">The images' heights and widths.</param>
    /// <param name="targets">The objects, at the resized images' scale.</param>
    /// <param name="generator">Draws the sample.</param>
    public (Tensor Classifier, Tensor BoxRegression, Tensor Mask) Losses(
        Tensor[] features, IReadOnlyList<Tensor> proposals, IReadOnlyList<(int Height, int Width)> sizes, IReadOnlyList<Target> targets, Generator generator)
    {
        using var scope = NewDisposeScope();
        var samples = Draw(proposals, targets, generator);
        var (logits, deltas) = ClassifyBoxes(features, [.. samples.Select(sample => sample.Boxes)], sizes);
        var masks = PredictMasks(features, [.. samples.Select(sample => sample.PositiveBoxes())], sizes);
        var (classifier, boxRegression, mask) = Losses(logits, deltas, masks, samples, targets);
        return (classifier.MoveToOuterDisposeScope(), boxRegression.MoveToOuterDisposeScope(), mask.MoveToOuterDisposeScope());
    }

    /// <summary>A random sample of each image's proposals and objects' boxes; moved to the caller's scope.</summary>
    public RoiSample[] Draw(IReadOnlyList<Tensor> proposals, IReadOnlyList<Target> targets, Generator generator) =>
        [.. proposals.Select((boxes, i) => RoiSample.Draw(boxes, targets[i], _matcher, _sampler, generator))];

    /// <summary>The three losses of what <see cref="ClassifyBoxes"/> said about sampled boxes, and <see cref="PredictMasks"/> about the foreground among them. In the current scope.</summary>
    public (Tensor Classifier, Tensor BoxRegression, Tensor Mask) Losses(
        Tensor logits, Tensor deltas, Tensor masks, IReadOnlyList<RoiSample> samples, IReadOnlyList<Target> targets)
    {
        var (classifier, boxRegression) = RoiLosses.FastRcnn(logits, deltas, samples, targets, _coder);
        return (classifier, boxRegression, RoiLosses.Mask(masks, samples, targets));
    }
}
