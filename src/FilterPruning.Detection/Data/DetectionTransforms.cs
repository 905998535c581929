using FilterPruning.Detection.Models;

namespace FilterPruning.Detection.Data;

/// <summary>
/// Changes of a sample for training. Each returns a new sample of its own tensors and leaves the given one alone. Crowds are not carried over: they count in evaluation only, where nothing is changed.
/// </summary>
public static class DetectionTransforms
{
    /// <summary>Mirrors left and right: image, masks, and boxes (x1, x2 become W − x2, W − x1).</summary>
    public static DetectionSample FlipHorizontal(DetectionSample sample)
    {
        ArgumentNullException.ThrowIfNull(sample);
        using var scope = NewDisposeScope();
        var width = sample.Image.shape[2];
        var (left, top, right, bottom) = Corners(sample.Target.Boxes);
        var boxes = stack([width - right, top, width - left, bottom], 1); // [N, 4]
        return Moved(sample.ImageId, sample.Image.flip(2), boxes, sample.Target.Labels.clone(), sample.Target.Masks.flip(2));
    }

    /// <summary>
    /// Resizes: the image bilinearly (half-pixel centres, no smoothing before shrinking), masks by the nearest pixel, boxes by the ratio of the new to the old sides. An object whose mask
    /// has no pixel left is left out.
    /// </summary>
    /// <param name="sample">What to resize.</param>
    /// <param name="factor">New ÷ old side, above 0; the new sides are rounded, and at least 1.</param>
    public static DetectionSample Scale(DetectionSample sample, double factor)
    {
        ArgumentNullException.ThrowIfNull(sample);
        if (!(factor > 0 && double.IsFinite(factor)))
            throw new ArgumentOutOfRangeException(nameof(factor), factor, "The factor must be above 0 and finite.");
        using var scope = NewDisposeScope();
        var (height, width) = (sample.Image.shape[1], sample.Image.shape[2]);
        var (newHeight, newWidth) = (Math.Max(1, (long)Math.Round(height * factor)), Math.Max(1, (long)Math.Round(width * factor)));
        var image = nn.functional.interpolate(sample.Image.unsqueeze(0), [newHeight, newWidth], mode: InterpolationMode.Bilinear, align_corners: false).squeeze(0);
        var masks = sample.Target.Masks.index_select(1, Nearest(height, newHeight)).index_select(2, Nearest(width, newWidth)); // [N, H', W']
        var (sx, sy) = ((float)newWidth / width, (float)newHeight / height);
        var boxes = sample.Target.Boxes * tensor(new[] { sx, sy, sx, sy });
        var kept = masks.flatten(1).any(1).nonzero().squeeze(1);
        return Moved(sample.ImageId, image, boxes.index_select(0, kept), sample.Target.Labels.index_select(0, kept), masks.index_select(0, kept));
    }

    /// <summary>Flips and scales at random, as the options say.</summary>
    /// <param name="sample">What to change.</param>
    /// <param name="options">How much.</param>
    /// <param name="seed">The training run's seed.</param>
    /// <param name="position">How many samples training has seen before this one; seed and position alone decide.</param>
    public static DetectionSample Augment(DetectionSample sample, AugmentationOptions options, int seed, long position)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate(nameof(options));
        var random = SplitMix64.ForItem(seed, position);
        var flip = random.Chance(options.FlipProbability);
        var factor = options.MinScale + ((options.MaxScale - options.MinScale) * random.NextFloat());
        var scaled = Scale(sample, factor);
        if (!flip)
            return scaled;
        using (scaled)
            return FlipHorizontal(scaled);
    }

    /// <summary>For each new pixel the old one beneath its centre: int64 <c>[to]</c>.</summary>
    private static Tensor Nearest(long from, long to)
    {
        var indices = new long[to];
        for (var i = 0L; i < to; i++)
            indices[i] = ((2 * i) + 1) * from / (2 * to);
        return tensor(indices);
    }

    private static (Tensor Left, Tensor Top, Tensor Right, Tensor Bottom) Corners(Tensor boxes) =>
        (boxes.select(1, 0), boxes.select(1, 1), boxes.select(1, 2), boxes.select(1, 3));

    private static DetectionSample Moved(long imageId, Tensor image, Tensor boxes, Tensor labels, Tensor masks)
    {
        var target = new Target(boxes.MoveToOuterDisposeScope(), labels.MoveToOuterDisposeScope(), masks.MoveToOuterDisposeScope());
        return new DetectionSample(imageId, image.MoveToOuterDisposeScope(), target);
    }
}
