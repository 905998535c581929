namespace FilterPruning.Detection.Ops;

/// <summary>Bilinear resizing of float32 masks into their boxes, pixel centres at half-integers, only where the image sees them.</summary>
internal static unsafe class MaskPasteKernel
{
    /// <summary>Writes mask i into image i; the images are zero at first.</summary>
    /// <param name="masks">Address of <c>[N, 1, M, M]</c>.</param>
    /// <param name="size">M.</param>
    /// <param name="padding">Cells of zeros around each mask.</param>
    /// <param name="boxes">Where each mask goes.</param>
    /// <param name="output">Address of <c>[N, 1, H, W]</c>.</param>
    /// <param name="image">H and W.</param>
    public static void Run(nint masks, int size, int padding, PlacedBox[] boxes, nint output, (int Height, int Width) image) =>
        TensorMemory.For(
            boxes.Length,
            i => Paste((float*)masks + (long)i * size * size, size, padding, boxes[i], (float*)output + (long)i * image.Height * image.Width, image));

    private static void Paste(float* mask, int size, int padding, PlacedBox box, float* output, (int Height, int Width) image)
    {
        var (x0, y0, x1, y1) = box.Visible(image);
        if (x0 >= x1 || y0 >= y1)
            return;
        var padded = Pad(mask, size, padding);
        var side = size + 2 * padding;
        var columns = new Source[x1 - x0];
        for (var x = x0; x < x1; x++)
            columns[x - x0] = Source.Of((long)x - box.X0, box.Width, side);

        var line = new float[side];
        for (var y = y0; y < y1; y++)
        {
            var row = Source.Of((long)y - box.Y0, box.Height, side);
            var upper = padded.AsSpan(row.Low * side, side);
            var lower = padded.AsSpan(row.High * side, side);
            for (var x = 0; x < side; x++)
                line[x] = (1 - row.Fraction) * upper[x] + row.Fraction * lower[x];
            var target = output + (long)y * image.Width + x0;
            for (var x = 0; x < columns.Length; x++)
            {
                var column = columns[x];
                target[x] = (1 - column.Fraction) * line[column.Low] + column.Fraction * line[column.High];
            }
        }
    }

    private static float[] Pad(float* mask, int size, int padding)
    {
        var side = size + 2 * padding;
        var padded = new float[side * side];
        for (var y = 0; y < size; y++)
            new ReadOnlySpan<float>(mask + y * size, size).CopyTo(padded.AsSpan((y + padding) * side + padding));
        return padded;
    }

    /// <summary>Between which two cells a resized pixel lies, as torch computes it with <c>align_corners=False</c>.</summary>
    private readonly record struct Source(int Low, int High, float Fraction)
    {
        public static Source Of(long pixel, int pixels, int cells)
        {
            var position = MathF.Max((float)cells / pixels * (pixel + 0.5f) - 0.5f, 0);
            var low = Math.Min((int)position, cells - 1);
            return new Source(low, Math.Min(low + 1, cells - 1), position - low);
        }
    }
}
