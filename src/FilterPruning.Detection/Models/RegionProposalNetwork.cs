using FilterPruning.Detection.Ops;

namespace FilterPruning.Detection.Models;

/// <summary>
/// Finds places that may hold an object. torchvision <c>detection/rpn.py</c>. Two parts that are used apart: <see cref="Predict"/> runs the
/// layers, <see cref="Propose"/> and <see cref="Losses"/> are functions of what they gave.
/// </summary>
internal sealed class RegionProposalNetwork : nn.Module
{
    internal const double SmallestSide = 1e-3;

    // Samples of more than one anchor in this many go through the whole map, fewer through their own surroundings.
    private const int DenseShare = 12;

    private readonly RpnHead head;
    private readonly AnchorGenerator _anchors;
    private readonly BoxCoder _coder = new(1, 1, 1, 1);
    private readonly Matcher _matcher;
    private readonly BalancedSampler _sampler;
    private readonly MaskRcnnOptions _options;

    public RegionProposalNetwork(MaskRcnnOptions options, Generator generator)
        : base(nameof(RegionProposalNetwork))
    {
        _options = options;
        _anchors = new AnchorGenerator(options.AnchorSizes, options.AspectRatios);
        _matcher = new Matcher(options.RpnFgIouThresh, options.RpnBgIouThresh, allowLowQualityMatches: true);
        _sampler = new BalancedSampler(options.RpnBatchSizePerImage, options.RpnPositiveFraction);
        head = new RpnHead(options.FpnChannels, options.AnchorsPerLocation, generator);
        RegisterComponents();
    }

    /// <summary>Runs the head on all levels; everything in the result is moved to the caller's scope.</summary>
    public RpnPrediction Predict(ImageList images, Tensor[] features)
    {
        using var scope = NewDisposeScope();
        var (objectness, deltas) = head.call(features);
        var anchors = _anchors.Generate((images.Tensors.shape[2], images.Tensors.shape[3]), features);
        return new RpnPrediction(
            anchors.MoveToOuterDisposeScope(),
            cat(objectness.Select(level => Flatten(level, 1)).ToArray(), 1).squeeze(2).MoveToOuterDisposeScope(),
            cat(deltas.Select(level => Flatten(level, 4)).ToArray(), 1).MoveToOuterDisposeScope(),
            [.. objectness.Select(level => level.shape[1] * level.shape[2] * level.shape[3])]);
    }

    /// <summary>
    /// The best boxes of each image, best first. Nothing is back-propagated through a proposal, as in Faster R-CNN.
    /// </summary>
    /// <param name="prediction">What <see cref="Predict"/> gave.</param>
    /// <param name="sizes">The images' heights and widths.</param>
    /// <param name="training">Whether the training limits hold or those for detecting.</param>
    /// <returns>For each image float32 <c>[proposals, 4]</c>, possibly none; moved to the caller's scope.</returns>
    public Tensor[] Propose(RpnPrediction prediction, IReadOnlyList<(int Height, int Width)> sizes, bool training)
    {
        using var scope = NewDisposeScope();
        var preNmsTopN = training ? _options.RpnPreNmsTopNTrain : _options.RpnPreNmsTopNTest;
        var postNmsTopN = training ? _options.RpnPostNmsTopNTrain : _options.RpnPostNmsTopNTest;
        var objectness = prediction.Objectness.detach();
        var (best, levels) = BestOfEachLevel(objectness, prediction.AnchorsPerLevel, preNmsTopN);

        var proposals = new Tensor[sizes.Count];
        for (var i = 0; i < proposals.Length; i++)
        {
            var index = best[i];
            var scores = objectness[i].index_select(0, index).sigmoid();
            if (TensorMemory.IsManaged(prediction.Deltas))
            {
                var settings = new FilterSettings(sizes[i], SmallestSide, _options.RpnScoreThresh, _options.RpnNmsThresh, postNmsTopN);
                proposals[i] = ProposalFilter.Propose(_coder, prediction.Deltas[i], prediction.Anchors, index, scores, levels, settings).MoveToOuterDisposeScope();
                continue;
            }

            var deltas = prediction.Deltas[i].detach().index_select(0, index);
            // Only what is among the best is decoded; torchvision decodes all and gets the same.
            var boxes = _coder.DecodeSingle(deltas, prediction.Anchors.index_select(0, index));
            proposals[i] = Suppress(boxes, scores, levels, sizes[i], postNmsTopN).MoveToOuterDisposeScope();
        }

        return proposals;
    }

    /// <summary>The two losses over a random sample of anchors; scalars, moved to the caller's scope.</summary>
    /// <param name="prediction">What <see cref="Predict"/> gave.</param>
    /// <param name="features">The pyramid it was made from.</param>
    /// <param name="boxes">The objects' boxes of each image, <c>[G, 4]</c>, at the resized image's scale.</param>
    /// <param name="generator">Draws the sample.</param>
    public (Tensor Objectness, Tensor BoxRegression) Losses(RpnPrediction prediction, Tensor[] features, IReadOnlyList<Tensor> boxes, Generator generator)
    {
        using var scope = NewDisposeScope();
        var positives = new List<Tensor>();
        var negatives = new List<Tensor>();
        var offsetTargets = new List<Tensor>();
        for (var i = 0; i < boxes.Count; i++)
        {
            var matches = Match(boxes[i], prediction.Anchors);
            var (positive, negative) = Sampling.Draw(_sampler, matches, generator);
            positives.Add(positive);
            negatives.Add(negative);
            offsetTargets.Add(positive.shape[0] == 0
                ? zeros(0, 4, device: positive.device)
                : _coder.EncodeSingle(boxes[i].index_select(0, matches.index_select(0, positive)), prediction.Anchors.index_select(0, positive)));
        }

        var sampled = cat([.. positives, .. negatives]);
        var images = cat([.. positives.Select(Numbers), .. negatives.Select(Numbers)]);
        var foreground = positives.Sum(positive => positive.shape[0]);
        var (logits, deltas) = At(prediction, features, images, sampled);

        var labels = (arange(sampled.shape[0], device: sampled.device).lt(foreground)).to(float32);
        var objectnessLoss = nn.functional.binary_cross_entropy_with_logits(logits, labels);
        var boxLoss = BoxLosses.SmoothL1Sum(deltas.narrow(0, 0, foreground), cat(offsetTargets)) / sampled.shape[0];
        return (objectnessLoss.MoveToOuterDisposeScope(), boxLoss.MoveToOuterDisposeScope());

        static Tensor Numbers(Tensor indices, int image) => full_like(indices, image);
    }

    /// <summary>What the head says at some anchors, computed for few of them in their surroundings alone; see <see cref="RpnHead.At"/>.</summary>
    /// <param name="prediction">What <see cref="Predict"/> gave.</param>
    /// <param name="features">The pyramid it was made from.</param>
    /// <param name="images">int64 <c>[S]</c>: the image of each anchor.</param>
    /// <param name="anchors">int64 <c>[S]</c>: its number among all anchors of the image.</param>
    /// <returns>Logits <c>[S]</c> and offsets <c>[S, 4]</c> in the current scope.</returns>
    public (Tensor Logits, Tensor Deltas) At(RpnPrediction prediction, Tensor[] features, Tensor images, Tensor anchors) =>
        anchors.shape[0] < prediction.Objectness.NumberOfElements / DenseShare
            ? head.At(features, images, anchors)
            : (prediction.Objectness.index(images, anchors), prediction.Deltas.index(images, anchors));

    // [N, A·C, H, W] → [N, H·W·A, C], the order of the anchors
    private static Tensor Flatten(Tensor level, int channels)
    {
        var (n, h, w) = (level.shape[0], level.shape[2], level.shape[3]);
        return level.view(n, -1, channels, h, w).permute(0, 3, 4, 1, 2).reshape(n, -1, channels);
    }

    // [N, K] indices of anchors and [K] their levels
    private static (Tensor Index, Tensor Levels) BestOfEachLevel(Tensor objectness, IReadOnlyList<long> anchorsPerLevel, int topN)
    {
        var indices = new List<Tensor>();
        var levels = new List<Tensor>();
        long offset = 0;
        for (var level = 0; level < anchorsPerLevel.Count; level++)
        {
            var count = anchorsPerLevel[level];
            var (_, index) = objectness.narrow(1, offset, count).topk((int)Math.Min(topN, count), dim: 1);
            indices.Add(index + offset);
            levels.Add(full(index.shape[1], level, dtype: int64, device: objectness.device));
            offset += count;
        }

        return (cat(indices, 1), cat(levels));
    }

    private Tensor Suppress(Tensor boxes, Tensor scores, Tensor levels, (int Height, int Width) size, int topN)
    {
        boxes = BoxOps.ClipToImage(boxes, size);
        var keep = BoxOps.RemoveSmall(boxes, SmallestSide);
        if (_options.RpnScoreThresh > 0)
            keep = keep.masked_select(scores.index_select(0, keep).ge(_options.RpnScoreThresh));
        (boxes, scores, levels) = (boxes.index_select(0, keep), scores.index_select(0, keep), levels.index_select(0, keep));
        keep = BoxOps.BatchedNms(boxes, scores, levels, _options.RpnNmsThresh);
        return boxes.index_select(0, keep.narrow(0, 0, Math.Min(topN, keep.shape[0])));
    }

    // [anchors]: the object's index, or one of the Matcher's negative marks
    private Tensor Match(Tensor boxes, Tensor anchors) => boxes.shape[0] == 0
        ? full(anchors.shape[0], Matcher.BelowLowThreshold, dtype: int64, device: anchors.device)
        : _matcher.Match(BoxOps.Iou(boxes, anchors));
}
