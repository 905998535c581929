using FilterPruning.Detection.Ops;

namespace FilterPruning.Detection.Models;

/// <summary>The losses of the box and mask heads. torchvision <c>roi_heads.py</c>, <c>fastrcnn_loss</c> and <c>maskrcnn_loss</c>.</summary>
internal static class RoiLosses
{
    /// <summary>Cross entropy over all sampled boxes, and smooth L1 of the foreground's offsets divided by the number of all. Scalars, moved to the caller's scope.</summary>
    /// <param name="logits"><c>[ΣK, classes]</c>.</param>
    /// <param name="deltas"><c>[ΣK, classes, 4]</c>.</param>
    /// <param name="samples">The sampled boxes of each image, in the same order.</param>
    /// <param name="targets">The objects of each image.</param>
    /// <param name="coder">Encodes the offsets.</param>
    public static (Tensor Classifier, Tensor BoxRegression) FastRcnn(
        Tensor logits, Tensor deltas, IReadOnlyList<RoiSample> samples, IReadOnlyList<Target> targets, BoxCoder coder)
    {
        using var scope = NewDisposeScope();
        var labels = cat(samples.Select(sample => sample.Labels).ToArray());
        var classifier = nn.functional.cross_entropy(logits, labels);

        var positive = labels.gt(0).nonzero().squeeze(1);
        var predicted = deltas.index(positive, labels.index_select(0, positive)); // [ΣP, 4]
        var wanted = cat(samples.Select((sample, i) => coder.EncodeSingle(targets[i].Boxes.index_select(0, sample.Objects), sample.PositiveBoxes())).ToArray());
        var boxRegression = BoxLosses.SmoothL1Sum(predicted, wanted) / labels.shape[0];
        return (classifier.MoveToOuterDisposeScope(), boxRegression.MoveToOuterDisposeScope());
    }

    /// <summary>Binary cross entropy of each foreground box's mask for its own class; 0 (with a gradient of 0) without any. Moved to the caller's scope.</summary>
    /// <param name="logits"><c>[ΣP, classes, 28, 28]</c>.</param>
    /// <param name="samples">The sampled boxes of each image.</param>
    /// <param name="targets">The objects of each image, masks at the resized image's size.</param>
    public static Tensor Mask(Tensor logits, IReadOnlyList<RoiSample> samples, IReadOnlyList<Target> targets)
    {
        using var scope = NewDisposeScope();
        if (logits.shape[0] == 0)
            return (logits.sum() * 0).MoveToOuterDisposeScope();

        var labels = cat(samples.Select(sample => sample.Labels.narrow(0, 0, sample.Positives)).ToArray());
        var rows = arange(labels.shape[0], dtype: int64, device: labels.device);
        var wanted = cat(samples.Select((sample, i) => MaskOps.ProjectMasksOnBoxes(targets[i].Masks, sample.PositiveBoxes(), sample.Objects, (int)logits.shape[2])).ToArray());
        return nn.functional.binary_cross_entropy_with_logits(logits.index(rows, labels), wanted).MoveToOuterDisposeScope();
    }
}
