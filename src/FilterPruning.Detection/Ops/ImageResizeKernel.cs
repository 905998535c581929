using System.Buffers;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace FilterPruning.Detection.Ops;

/// <summary>
/// Normalises a float32 image, resizes it (bilinear, pixel centres at half-integers) and writes it into its place in a batch with zeros beside and
/// below, in one pass.
/// </summary>
/// <remarks>
/// A row of the image is normalised and resized along x once, where the rows of the result need it, and stays in the first-level cache until the
/// two rows around it are mixed. Pixels do not depend on how rows are shared out between threads.
/// </remarks>
internal static unsafe class ImageResizeKernel
{
    // Rows of the result in one item of work.
    private const int BandRows = 64;
    private const int Lanes = 16;

    /// <summary>Fills one image's place in a batch.</summary>
    /// <param name="image">Address of <c>[C, H, W]</c>.</param>
    /// <param name="from">H and W.</param>
    /// <param name="mean">For each channel what is subtracted.</param>
    /// <param name="std">For each channel what is divided by then.</param>
    /// <param name="place">Address of <c>[C, h', w']</c>; every element is written.</param>
    /// <param name="to">The height and width after resizing.</param>
    /// <param name="padded">h' and w', at least as large.</param>
    /// <param name="plain">Whether to keep to instructions that every processor has; tests compare.</param>
    public static void Run(nint image, (int Height, int Width) from, float[] mean, float[] std, nint place, (int Height, int Width) to, (int Height, int Width) padded, bool plain = false)
    {
        var across = new ResizeAxis(from.Width, to.Width);
        var down = new ResizeAxis(from.Height, to.Height);
        var bands = (padded.Height + BandRows - 1) / BandRows;
        TensorMemory.For(mean.Length * bands, item =>
        {
            var (c, first) = (item / bands, item % bands * BandRows);
            var source = (float*)image + (long)c * from.Height * from.Width;
            var target = (float*)place + (long)c * padded.Height * padded.Width;
            Band(source, from, mean[c], std[c], target, to, padded.Width, first, Math.Min(first + BandRows, padded.Height), across, down, plain);
        });
    }

    private static void Band(
        float* source, (int Height, int Width) from, float mean, float std, float* target, (int Height, int Width) to, int paddedWidth, int first, int end,
        ResizeAxis across, ResizeAxis down, bool plain)
    {
        // Two rows at the result's width, and one normalised row with room for whole vectors.
        var width = to.Width + Lanes;
        var buffer = ArrayPool<float>.Shared.Rent(2 * width + from.Width + 3 * Lanes);
        fixed (float* work = buffer)
        {
            float* upper = work, lower = work + width, line = work + 2 * width;
            new Span<float>(line + from.Width, 3 * Lanes).Clear();
            int upperRow = -1, lowerRow = -1;
            for (var y = first; y < end; y++)
            {
                var row = target + (long)y * paddedWidth;
                if (y >= to.Height)
                {
                    new Span<float>(row, paddedWidth).Clear();
                    continue;
                }

                var low = down.Low[y];
                var high = Math.Min(low + 1, from.Height - 1);
                if (upperRow != low)
                {
                    if (lowerRow == low)
                    {
                        var other = upper;
                        upper = lower;
                        lower = other;
                        lowerRow = upperRow;
                    }
                    else
                    {
                        Across(source + (long)low * from.Width, from.Width, mean, std, line, upper, to.Width, across, plain);
                    }

                    upperRow = low;
                }

                if (high != low && lowerRow != high)
                {
                    Across(source + (long)high * from.Width, from.Width, mean, std, line, lower, to.Width, across, plain);
                    lowerRow = high;
                }

                Mix(upper, high == low ? upper : lower, down.Fraction[y], row, to.Width);
                new Span<float>(row + to.Width, paddedWidth - to.Width).Clear();
            }
        }

        ArrayPool<float>.Shared.Return(buffer);
    }

    private static void Mix(float* upper, float* lower, float fraction, float* row, int width)
    {
        Vector512<float> up = Vector512.Create(1 - fraction), down = Vector512.Create(fraction);
        var x = 0;
        for (; x + Lanes <= width; x += Lanes)
            Vector512.MultiplyAddEstimate(Vector512.Load(lower + x), down, Vector512.Load(upper + x) * up).Store(row + x);
        for (; x < width; x++)
            row[x] = float.MultiplyAddEstimate(lower[x], fraction, upper[x] * (1 - fraction));
    }

    // One row of the image, normalised and resized along x.
    private static void Across(float* source, int length, float mean, float std, float* line, float* row, int width, ResizeAxis axis, bool plain)
    {
        Vector512<float> shift = Vector512.Create(mean), scale = Vector512.Create(std);
        var x = 0;
        for (; x + Lanes <= length; x += Lanes)
            ((Vector512.Load(source + x) - shift) / scale).Store(line + x);
        for (; x < length; x++)
            line[x] = (source[x] - mean) / std;
        // Every pixel has one to its right: the last one again.
        line[length] = line[length - 1];

        x = 0;
        fixed (int* lows = axis.Low)
        fixed (float* fractions = axis.Fraction)
        {
            if (!plain && Avx512F.IsSupported && axis.FitsTwoVectors)
            {
                var one = Vector512.Create(1f);
                for (; x + Lanes <= width; x += Lanes)
                {
                    var first = lows[x];
                    var index = Vector512.Load(lows + x) - Vector512.Create(first);
                    Vector512<float> left = Vector512.Load(line + first), right = Vector512.Load(line + first + Lanes), f = Vector512.Load(fractions + x);
                    var here = Avx512F.PermuteVar16x32x2(left, index, right);
                    var next = Avx512F.PermuteVar16x32x2(left, index + Vector512<int>.One, right);
                    Vector512.MultiplyAddEstimate(next, f, here * (one - f)).Store(row + x);
                }
            }

            for (; x < width; x++)
                row[x] = float.MultiplyAddEstimate(line[lows[x] + 1], fractions[x], line[lows[x]] * (1 - fractions[x]));
        }
    }
}

/// <summary>For each pixel of a resized axis the pixel of the image before it and how far behind that it lies, as torch computes it with <c>align_corners=False</c>.</summary>
internal sealed class ResizeAxis
{
    public ResizeAxis(int from, int to)
    {
        (Low, Fraction) = (new int[to], new float[to]);
        var scale = (float)from / to;
        for (var i = 0; i < to; i++)
        {
            var position = MathF.Max(scale * (i + 0.5f) - 0.5f, 0);
            Low[i] = Math.Min((int)position, from - 1);
            Fraction[i] = Math.Clamp(position - Low[i], 0, 1);
        }

        FitsTwoVectors = true;
        for (var i = 0; i + 16 <= to && FitsTwoVectors; i += 16)
            FitsTwoVectors = Low[i + 15] + 1 - Low[i] < 32;
    }

    public int[] Low { get; }

    public float[] Fraction { get; }

    /// <summary>Whether any sixteen neighbours, counted from a multiple of sixteen, read at most 32 pixels in a row.</summary>
    public bool FitsTwoVectors { get; }
}
