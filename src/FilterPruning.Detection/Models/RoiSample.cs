using FilterPruning.Detection.Ops;

namespace FilterPruning.Detection.Models;

/// <summary>The boxes of one image that the box head is trained on, foreground first. torchvision <c>roi_heads.py</c>, <c>select_training_samples</c>.</summary>
/// <param name="Boxes">float32 <c>[K, 4]</c>.</param>
/// <param name="Labels">int64 <c>[K]</c>; 0 from <paramref name="Positives"/> on.</param>
/// <param name="Objects">int64 <c>[Positives]</c>: which object each foreground box is of.</param>
/// <param name="Positives">The number of foreground boxes.</param>
internal sealed record RoiSample(Tensor Boxes, Tensor Labels, Tensor Objects, long Positives)
{
    /// <summary>Matches an image's proposals, and the objects' own boxes, with its objects and draws a sample. Moved to the caller's scope.</summary>
    public static RoiSample Draw(Tensor proposals, Target target, Matcher matcher, BalancedSampler sampler, Generator generator)
    {
        using var scope = NewDisposeScope();
        var boxes = cat([proposals, target.Boxes]);
        var matches = target.Boxes.shape[0] == 0
            ? full(boxes.shape[0], Matcher.BelowLowThreshold, dtype: int64, device: boxes.device)
            : matcher.Match(BoxOps.Iou(target.Boxes, boxes));
        var (positive, negative) = Sampling.Draw(sampler, matches, generator);
        var objects = matches.index_select(0, positive);
        return new RoiSample(
            boxes.index_select(0, cat([positive, negative])).MoveToOuterDisposeScope(),
            cat([target.Labels.index_select(0, objects), zeros_like(negative)]).MoveToOuterDisposeScope(),
            objects.MoveToOuterDisposeScope(),
            positive.shape[0]);
    }

    /// <summary>The foreground boxes, <c>[Positives, 4]</c>; a view.</summary>
    public Tensor PositiveBoxes() => Boxes.narrow(0, 0, Positives);
}
