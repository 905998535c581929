using FilterPruning.Detection.Ops;

namespace FilterPruning.Detection.Models;

/// <summary>
/// What happens to images before the network and to detections after it: normalise, resize, batch; scale back.
/// torchvision <c>detection/transform.py</c>. Holds no weights, hence no module.
/// </summary>
internal sealed class GeneralizedRcnnTransform(MaskRcnnOptions options)
{
    private readonly float[] _mean = [.. options.ImageMean.Select(v => (float)v)];
    private readonly float[] _std = [.. options.ImageStd.Select(v => (float)v)];

    /// <summary>Normalises, resizes and batches. The result is moved to the caller's scope.</summary>
    /// <param name="images">float32 <c>[3, H, W]</c> each.</param>
    /// <param name="minSizes">The shorter side for each image, in pixels.</param>
    public ImageList Apply(IReadOnlyList<Tensor> images, IReadOnlyList<int> minSizes)
    {
        if (TensorMemory.IsManagedWithoutGradient([.. images]))
            return ApplyManaged(images, minSizes);
        return ApplyComposed(images, minSizes);
    }

    /// <summary>The same in one pass over each image.</summary>
    private ImageList ApplyManaged(IReadOnlyList<Tensor> images, IReadOnlyList<int> minSizes)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        (int Height, int Width)[] sizes = [.. images.Select((image, i) => ResizedSize(image.shape[1], image.shape[2], minSizes[i]))];
        var padded = (Height: (int)RoundUp(sizes.Max(size => size.Height)), Width: (int)RoundUp(sizes.Max(size => size.Width)));
        var batch = empty([images.Count, 3, padded.Height, padded.Width], ScalarType.Float32);
        for (var i = 0; i < images.Count; i++)
        {
            var from = ((int)images[i].shape[1], (int)images[i].shape[2]);
            ImageResizeKernel.Run(TensorMemory.Address(images[i].contiguous()), from, _mean, _std, TensorMemory.Address(batch[i]), sizes[i], padded);
        }

        return new ImageList(batch.MoveToOuterDisposeScope(), sizes);
    }

    /// <summary>The same with torch operations: any device, differentiable.</summary>
    internal ImageList ApplyComposed(IReadOnlyList<Tensor> images, IReadOnlyList<int> minSizes)
    {
        using var scope = NewDisposeScope();
        var mean = tensor(_mean, device: images[0].device).view(3, 1, 1);
        var std = tensor(_std, device: images[0].device).view(3, 1, 1);
        var resized = images.Select((image, i) => Resize((image - mean) / std, minSizes[i])).ToArray();
        var sizes = resized.Select(image => ((int)image.shape[1], (int)image.shape[2])).ToArray();
        return new ImageList(Batch(resized).MoveToOuterDisposeScope(), sizes);
    }

    /// <summary>
    /// The size an image is resized to, with torchvision's arithmetic: a number divided by a tensor is the number times the tensor's float32
    /// reciprocal there; the scale's product with the size is rounded down in double. So 480 becomes 800, but 427 becomes 799.
    /// </summary>
    public (int Height, int Width) ResizedSize(long height, long width, int minSize)
    {
        var shorter = (float)Math.Min(height, width);
        var longer = (float)Math.Max(height, width);
        var scale = MathF.Min(1 / shorter * minSize, 1 / longer * options.MaxSize);
        return (Math.Max(1, (int)Math.Floor(height * (double)scale)), Math.Max(1, (int)Math.Floor(width * (double)scale)));
    }

    /// <summary>Ground truth at the resized images' scale. The result is moved to the caller's scope.</summary>
    public static Target ResizeTarget(Target target, (int Height, int Width) from, (int Height, int Width) to)
    {
        using var scope = NewDisposeScope();
        var boxes = ResizeBoxes(target.Boxes, from, to);
        // [G, H, W] → [G, h, w], nearest, as the loss samples it
        var masks = target.Masks;
        if (from != to)
            masks = masks.shape[0] == 0 ? masks.new_zeros(0, to.Height, to.Width) : nn.functional.interpolate(masks.unsqueeze(1), [to.Height, to.Width]).squeeze(1);
        return new Target(boxes.MoveToOuterDisposeScope(), target.Labels.alias().MoveToOuterDisposeScope(), masks.alias().MoveToOuterDisposeScope());
    }

    /// <summary>A detection at the scale of the image as it was given: boxes scaled, masks pasted. Moved to the caller's scope.</summary>
    /// <param name="detection">Boxes at the resized image's scale, masks <c>[N, 1, 28, 28]</c>.</param>
    /// <param name="from">The resized image's height and width.</param>
    /// <param name="to">The given image's height and width.</param>
    public static Detection Postprocess(Detection detection, (int Height, int Width) from, (int Height, int Width) to)
    {
        using var scope = NewDisposeScope();
        var boxes = ResizeBoxes(detection.Boxes, from, to);
        var masks = MaskOps.PasteMasksInImage(detection.Masks, boxes, to); // [N, 1, H, W]
        return new Detection(
            boxes.MoveToOuterDisposeScope(),
            detection.Labels.alias().MoveToOuterDisposeScope(),
            detection.Scores.alias().MoveToOuterDisposeScope(),
            masks.MoveToOuterDisposeScope());
    }

    /// <summary>Boxes <c>[N, 4]</c> scaled from one image size to another, in float32 as torchvision does it. Moved to the caller's scope.</summary>
    public static Tensor ResizeBoxes(Tensor boxes, (int Height, int Width) from, (int Height, int Width) to)
    {
        using var scope = NewDisposeScope();
        var x = to.Width / (float)from.Width;
        var y = to.Height / (float)from.Height;
        return (boxes * tensor(new[] { x, y, x, y }, device: boxes.device)).MoveToOuterDisposeScope();
    }

    private Tensor Resize(Tensor image, int minSize)
    {
        var (height, width) = ResizedSize(image.shape[1], image.shape[2], minSize);
        // [3, H, W] → [3, h, w]. Also when the size stays: interpolation is then exact.
        return nn.functional.interpolate(image.unsqueeze(0), [height, width], mode: InterpolationMode.Bilinear, align_corners: false).squeeze(0);
    }

    private Tensor Batch(Tensor[] images)
    {
        var height = RoundUp(images.Max(image => image.shape[1]));
        var width = RoundUp(images.Max(image => image.shape[2]));
        var batch = images[0].new_zeros(images.Length, 3, height, width);
        for (var i = 0; i < images.Length; i++)
            batch[i].narrow(1, 0, images[i].shape[1]).narrow(2, 0, images[i].shape[2]).copy_(images[i]);
        return batch;
    }

    private long RoundUp(long size) => (size + options.SizeDivisible - 1) / options.SizeDivisible * options.SizeDivisible;
}
