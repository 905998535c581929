using System.Buffers;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace FilterPruning.Detection.Ops;

/// <summary>Bilinear resizing of float32 masks into their boxes, pixel centres at half-integers, only where the image sees them.</summary>
/// <remarks>
/// Every pixel is written once, zeros included, and depends on nothing but its own mask, so that rows may be shared out in any way. Where the
/// processor picks lanes out of two vectors at once (AVX-512), a row of the mask stays in two registers while a row of pixels is made of it.
/// </remarks>
internal static unsafe class MaskPasteKernel
{
    // Pixels of one item of work.
    private const int BandPixels = 1 << 16;
    private const int Lanes = 16;

    /// <summary>Writes mask i into image i.</summary>
    /// <param name="masks">Address of <c>[N, 1, M, M]</c>.</param>
    /// <param name="size">M.</param>
    /// <param name="padding">Cells of zeros around each mask.</param>
    /// <param name="boxes">Where each mask goes.</param>
    /// <param name="output">Address of <c>[N, 1, H, W]</c>; every element is written.</param>
    /// <param name="image">H and W.</param>
    /// <param name="plain">Whether to keep to instructions that every processor has; tests compare.</param>
    public static void Run(nint masks, int size, int padding, PlacedBox[] boxes, nint output, (int Height, int Width) image, bool plain = false)
    {
        if (image.Height == 0 || image.Width == 0)
            return;
        var rows = Math.Max(1, BandPixels / image.Width);
        var bands = (image.Height + rows - 1) / rows;
        TensorMemory.For(boxes.Length * bands, item =>
        {
            var (i, first) = (item / bands, item % bands * rows);
            var mask = (float*)masks + (long)i * size * size;
            Paste(mask, size, padding, boxes[i], (float*)output + (long)i * image.Height * image.Width, image, first, Math.Min(first + rows, image.Height), plain);
        });
    }

    private static void Paste(float* mask, int size, int padding, PlacedBox box, float* output, (int Height, int Width) image, int firstRow, int endRow, bool plain)
    {
        var (x0, y0, x1, y1) = box.Visible(image);
        var (top, bottom) = (Math.Max(firstRow, y0), Math.Min(endRow, y1));
        if (x0 >= x1 || top >= bottom)
        {
            Clear(output, (long)firstRow * image.Width, (long)endRow * image.Width);
            return;
        }

        Clear(output, (long)firstRow * image.Width, (long)top * image.Width);
        var side = size + 2 * padding;
        // A line has one more cell, the last one again, so that every cell has one to its right; and the rest of two vectors.
        var stride = Math.Max(side + 1, 2 * Lanes);
        var width = x1 - x0;
        var cells = ArrayPool<float>.Shared.Rent(side * stride + stride);
        var fractions = ArrayPool<float>.Shared.Rent(width + Lanes);
        var lows = ArrayPool<int>.Shared.Rent(width + Lanes);
        fixed (float* padded = cells, fraction = fractions)
        fixed (int* low = lows)
        {
            Pad(mask, size, padding, padded, stride);
            for (var x = 0; x < width; x++)
                (low[x], fraction[x]) = Source((long)x + x0 - box.X0, box.Width, side);
            var line = padded + side * stride;
            var inRegisters = !plain && Avx512F.IsSupported && side < 2 * Lanes;
            for (var y = top; y < bottom; y++)
            {
                var (row, down) = Source((long)y - box.Y0, box.Height, side);
                var upper = padded + row * stride;
                var lower = padded + Math.Min(row + 1, side - 1) * stride;
                var target = output + (long)y * image.Width;
                Clear(target, 0, x0);
                if (inRegisters)
                    RowInRegisters(upper, lower, down, low, fraction, target + x0, width);
                else
                    RowThroughMemory(upper, lower, down, low, fraction, target + x0, width, line, side);
                Clear(target, x1, image.Width);
            }
        }

        ArrayPool<float>.Shared.Return(cells);
        ArrayPool<float>.Shared.Return(fractions);
        ArrayPool<int>.Shared.Return(lows);
        Clear(output, (long)bottom * image.Width, (long)endRow * image.Width);
    }

    private static void RowInRegisters(float* upper, float* lower, float down, int* low, float* fraction, float* target, int width)
    {
        Vector512<float> up = Vector512.Create(1 - down), dn = Vector512.Create(down), one = Vector512.Create(1f);
        var left = up * Vector512.Load(upper) + dn * Vector512.Load(lower);
        var right = up * Vector512.Load(upper + Lanes) + dn * Vector512.Load(lower + Lanes);
        for (var x = 0; x < width; x += Lanes)
        {
            var index = Vector512.Load(low + x);
            var f = Vector512.Load(fraction + x);
            var here = Avx512F.PermuteVar16x32x2(left, index, right);
            var next = Avx512F.PermuteVar16x32x2(left, index + Vector512<int>.One, right);
            var pixels = (one - f) * here + f * next;
            if (x + Lanes <= width)
            {
                pixels.Store(target + x);
                continue;
            }

            for (var lane = 0; lane < width - x; lane++)
                target[x + lane] = pixels.GetElement(lane);
        }
    }

    private static void RowThroughMemory(float* upper, float* lower, float down, int* low, float* fraction, float* target, int width, float* line, int side)
    {
        for (var x = 0; x <= side; x++)
            line[x] = (1 - down) * upper[x] + down * lower[x];
        for (var x = 0; x < width; x++)
            target[x] = (1 - fraction[x]) * line[low[x]] + fraction[x] * line[low[x] + 1];
    }

    private static void Pad(float* mask, int size, int padding, float* padded, int stride)
    {
        var side = size + 2 * padding;
        Clear(padded, 0, (long)side * stride);
        for (var y = 0; y < size; y++)
            new ReadOnlySpan<float>(mask + y * size, size).CopyTo(new Span<float>(padded + (y + padding) * stride + padding, size));
        for (var y = 0; y < side; y++)
            padded[y * stride + side] = padded[y * stride + side - 1];
    }

    private static void Clear(float* values, long from, long to)
    {
        if (to > from)
            new Span<float>(values + from, checked((int)(to - from))).Clear();
    }

    // Which cell a resized pixel lies behind and how far, as torch computes it with align_corners=False.
    private static (int Low, float Fraction) Source(long pixel, int pixels, int cells)
    {
        var position = MathF.Max((float)cells / pixels * (pixel + 0.5f) - 0.5f, 0);
        var low = Math.Min((int)position, cells - 1);
        return (low, position - low);
    }
}
