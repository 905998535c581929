namespace FilterPruning.Detection.Models;

/// <summary>Checks ground truth before it goes into the losses, where a wrong label would end in native code.</summary>
internal static class TargetCheck
{
    /// <summary>Throws an <see cref="ArgumentException"/> that names the first thing wrong with the targets.</summary>
    public static void Throw(IReadOnlyList<Tensor> images, IReadOnlyList<Target> targets, int numClasses)
    {
        ArgumentNullException.ThrowIfNull(targets);
        if (images.Count == 0)
            throw new ArgumentException("There are no images; the losses need at least one.", nameof(images));
        if (images.Count != targets.Count)
            throw new ArgumentException($"There are {images.Count} images and {targets.Count} targets; give one target for each image.", nameof(targets));
        for (var i = 0; i < targets.Count; i++)
        {
            var problem = Problem(images[i], targets[i], numClasses);
            if (problem is not null)
                throw new ArgumentException($"Target {i}: {problem}.", nameof(targets));
        }
    }

    private static string? Problem(Tensor image, Target target, int numClasses)
    {
        var (boxes, labels, masks) = target;
        if (boxes.dtype != float32 || boxes.dim() != 2 || boxes.shape[1] != 4)
            return $"boxes are {boxes.dtype} [{string.Join(", ", boxes.shape)}], not float32 [N, 4]";
        var count = boxes.shape[0];
        if (labels.dtype != int64 || labels.dim() != 1 || labels.shape[0] != count)
            return $"labels are {labels.dtype} [{string.Join(", ", labels.shape)}], not int64 [{count}]";
        if (masks.dtype != uint8 || masks.dim() != 3 || masks.shape[0] != count || masks.shape[1] != image.shape[1] || masks.shape[2] != image.shape[2])
            return $"masks are {masks.dtype} [{string.Join(", ", masks.shape)}], not uint8 [{count}, {image.shape[1]}, {image.shape[2]}]";
        // TorchSharp's accessor cannot read a tensor without elements.
        if (count == 0)
            return null;

        using var scope = NewDisposeScope();
        var corners = boxes.cpu().data<float>().ToArray();
        for (var b = 0; b < corners.Length; b += 4)
        {
            if (!(corners[b + 2] > corners[b] && corners[b + 3] > corners[b + 1] && corners.AsSpan(b, 4).IndexOfAnyExceptInRange(float.MinValue, float.MaxValue) < 0))
                return $"box {b / 4} is [{string.Join(", ", corners[b..(b + 4)])}]; x2 must be above x1 and y2 above y1";
        }

        foreach (var label in labels.cpu().data<long>())
        {
            if (label < 1 || label >= numClasses)
                return $"a label is {label}; allowed are 1 to {numClasses - 1}";
        }

        return null;
    }
}
