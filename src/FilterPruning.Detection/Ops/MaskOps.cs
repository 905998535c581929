namespace FilterPruning.Detection.Ops;

/// <summary>Masks from the image to the mask head's grid and back, as in torchvision 0.14.1, <c>models/detection/roi_heads.py</c>.</summary>
public static class MaskOps
{
    /// <summary>Crops and resizes ground-truth masks to the boxes they are trained on: the targets of the mask head.</summary>
    /// <param name="gtMasks">Masks <c>[G, H, W]</c>, 0 or 1, any dtype.</param>
    /// <param name="boxes">Floating point <c>[P, 4]</c> in pixels.</param>
    /// <param name="matchedIdxs">Integers <c>[P]</c>: the mask that belongs to each box.</param>
    /// <param name="size">M, the side of the mask head's grid, 28.</param>
    /// <returns>Floating point <c>[P, M, M]</c> in the boxes' dtype, 0 … 1.</returns>
    public static Tensor ProjectMasksOnBoxes(Tensor gtMasks, Tensor boxes, Tensor matchedIdxs, int size)
    {
        BoxOps.CheckBoxes(boxes, nameof(boxes));
        if (gtMasks.dim() != 3)
            throw new ArgumentException($"Masks must have the shape [G, H, W]; given [{string.Join(", ", gtMasks.shape)}].", nameof(gtMasks));
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        var rois = cat([matchedIdxs.to(boxes.dtype).to(boxes.device).unsqueeze(1), boxes], 1); // [P, 5]
        var masks = gtMasks.unsqueeze(1).to(boxes.dtype).to(boxes.device); // [G, 1, H, W]
        return RoIAlign.Apply(masks, rois, size, size).squeeze(1).MoveToOuterDisposeScope();
    }

    /// <summary>Resizes predicted masks to their boxes and puts each into an empty image.</summary>
    /// <param name="masks">Probabilities <c>[N, 1, M, M]</c>, floating point.</param>
    /// <param name="boxes">Floating point <c>[N, 4]</c> in pixels.</param>
    /// <param name="imageSize">Height and width of the image.</param>
    /// <param name="padding">Cells of zeros added on each side before resizing, so that masks fade out beyond their boxes; 1 in torchvision.</param>
    /// <returns><c>[N, 1, H, W]</c> in the masks' dtype, zero outside of the boxes. Not differentiated.</returns>
    /// <remarks>
    /// Boxes grow with the padding and are truncated to whole pixels toward zero; both corners belong to a box. What lies outside of the image
    /// is cut off. float32 on the CPU takes a managed kernel, anything else torch operations box by box.
    /// </remarks>
    public static Tensor PasteMasksInImage(Tensor masks, Tensor boxes, (int Height, int Width) imageSize, int padding = 1)
    {
        BoxOps.CheckBoxes(boxes, nameof(boxes));
        if (masks.dim() != 4 || masks.shape[0] != boxes.shape[0] || masks.shape[1] != 1 || masks.shape[2] != masks.shape[3])
        {
            throw new ArgumentException(
                $"There must be one square mask per box, [{boxes.shape[0]}, 1, M, M]; given [{string.Join(", ", masks.shape)}].", nameof(masks));
        }

        ArgumentOutOfRangeException.ThrowIfNegative(padding);
        return TensorMemory.IsManaged(masks) ? PasteManaged(masks, boxes, imageSize, padding) : PasteComposed(masks, boxes, imageSize, padding);
    }

    internal static Tensor PasteManaged(Tensor masks, Tensor boxes, (int Height, int Width) imageSize, int padding)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        var plain = masks.contiguous();
        var placed = Place(boxes, (int)masks.shape[3], padding);
        var output = empty([masks.shape[0], 1, imageSize.Height, imageSize.Width], ScalarType.Float32);
        MaskPasteKernel.Run(TensorMemory.Address(plain), (int)masks.shape[3], padding, placed, TensorMemory.Address(output), imageSize);
        return output.MoveToOuterDisposeScope();
    }

    internal static Tensor PasteComposed(Tensor masks, Tensor boxes, (int Height, int Width) imageSize, int padding)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        var padded = nn.functional.pad(masks, [padding, padding, padding, padding]);
        var output = zeros([masks.shape[0], 1, imageSize.Height, imageSize.Width], masks.dtype, masks.device);
        var placed = Place(boxes, (int)masks.shape[3], padding);
        for (var i = 0; i < placed.Length; i++)
        {
            using var inner = NewDisposeScope();
            var box = placed[i];
            var (x0, y0, x1, y1) = box.Visible(imageSize);
            if (x0 >= x1 || y0 >= y1)
                continue;
            var resized = nn.functional.interpolate(padded.narrow(0, i, 1), [box.Height, box.Width], mode: InterpolationMode.Bilinear, align_corners: false);
            output[i].narrow(1, y0, y1 - y0).narrow(2, x0, x1 - x0).copy_(resized[0].narrow(1, y0 - box.Y0, y1 - y0).narrow(2, x0 - box.X0, x1 - x0));
        }

        return output.MoveToOuterDisposeScope();
    }

    // expand_boxes and the truncation of paste_masks_in_image, in the boxes' precision (float32 where they are not float64).
    private static PlacedBox[] Place(Tensor boxes, int size, int padding)
    {
        var scale = (double)(size + 2 * padding) / size;
        return boxes.dtype == ScalarType.Float64
            ? Place<double>(TensorMemory.ToArray<double>(boxes, ScalarType.Float64), scale)
            : Place<float>(TensorMemory.ToArray<float>(boxes, ScalarType.Float32), (float)scale);
    }

    private static PlacedBox[] Place<T>(T[] boxes, T scale)
        where T : System.Numerics.IFloatingPointIeee754<T>
    {
        var half = T.CreateChecked(0.5);
        var placed = new PlacedBox[boxes.Length / 4];
        for (var i = 0; i < placed.Length; i++)
        {
            var (x1, y1, x2, y2) = (boxes[i * 4], boxes[i * 4 + 1], boxes[i * 4 + 2], boxes[i * 4 + 3]);
            var (halfWidth, halfHeight) = ((x2 - x1) * half * scale, (y2 - y1) * half * scale);
            var (x, y) = ((x2 + x1) * half, (y2 + y1) * half);
            placed[i] = new PlacedBox(
                int.CreateSaturating(x - halfWidth), int.CreateSaturating(y - halfHeight),
                int.CreateSaturating(x + halfWidth), int.CreateSaturating(y + halfHeight));
        }

        return placed;
    }
}
