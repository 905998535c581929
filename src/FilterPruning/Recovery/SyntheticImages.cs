namespace FilterPruning.Recovery;

/// <summary>
/// Made-up images for repairs without a single real one: "dead leaves", opaque discs and boxes of all sizes that cover each other (Lee, Mumford and Huang 2001), which have the edges, the flat regions and
/// the spectrum of photographs that white noise lacks.
/// </summary>
public static class SyntheticImages
{
    private const int LeavesPerImage = 150;
    private const double SmallestShare = 0.02;
    private const double LargestShare = 0.5;

    /// <summary>Makes images.</summary>
    /// <param name="count">How many, at least 1.</param>
    /// <param name="channels">Channels, at least 1.</param>
    /// <param name="height">Height in pixels, at least 1.</param>
    /// <param name="width">Width in pixels, at least 1.</param>
    /// <param name="seed">The same seed gives the same images.</param>
    /// <returns>float32 <c>[channels, height, width]</c> each, values 0 … 1; the caller's.</returns>
    public static IReadOnlyList<Tensor> Create(int count, int channels, int height, int width, int seed = 0)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(channels, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(height, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        return [.. Enumerable.Range(0, count).Select(index => Leaves(channels, height, width, new Random(HashCode(seed, index))))];
    }

    private static Tensor Leaves(int channels, int height, int width, Random random)
    {
        var pixels = new float[channels * height * width];
        Span<float> colour = stackalloc float[channels];
        for (var leaf = 0; leaf <= LeavesPerImage; leaf++)
        {
            for (var channel = 0; channel < channels; channel++)
                colour[channel] = random.NextSingle();
            Paint(pixels, height, width, colour, leaf == 0 ? null : random);
        }

        // A little noise, so that no two positions of a leaf are the same.
        for (var i = 0; i < pixels.Length; i++)
            pixels[i] = Math.Clamp(pixels[i] + ((random.NextSingle() - 0.5f) * 0.08f), 0, 1);
        return tensor(pixels, [channels, height, width], float32);
    }

    // Paints a disc or a turned box; the whole image without a random source.
    private static void Paint(float[] pixels, int height, int width, ReadOnlySpan<float> colour, Random? random)
    {
        double size = double.MaxValue, x = 0, y = 0, cos = 1, sin = 0, flat = 1;
        var disc = false;
        if (random is not null)
        {
            // Density ~ 1 / size³, the law under which the picture looks the same at every scale.
            var (low, high) = (1 / (SmallestShare * SmallestShare), 1 / (LargestShare * LargestShare));
            size = Math.Min(height, width) / Math.Sqrt(low + (random.NextDouble() * (high - low)));
            (x, y, disc, flat) = (random.NextDouble() * width, random.NextDouble() * height, random.Next(2) == 0, 0.3 + (0.7 * random.NextDouble()));
            (sin, cos) = Math.SinCos(random.NextDouble() * Math.PI);
        }

        var (top, bottom) = ((int)Math.Max(0, y - (1.5 * size)), (int)Math.Min(height - 1, y + (1.5 * size)));
        var (left, right) = ((int)Math.Max(0, x - (1.5 * size)), (int)Math.Min(width - 1, x + (1.5 * size)));
        for (var row = top; row <= bottom; row++)
        {
            for (var column = left; column <= right; column++)
            {
                var (u, v) = (((column - x) * cos) + ((row - y) * sin), (((row - y) * cos) - ((column - x) * sin)) / flat);
                if (disc ? (u * u) + (v * v) > size * size : Math.Max(Math.Abs(u), Math.Abs(v)) > size)
                    continue;
                for (var channel = 0; channel < colour.Length; channel++)
                    pixels[(((channel * height) + row) * width) + column] = colour[channel];
            }
        }
    }

    private static int HashCode(int seed, int index) => (int)(((2166136261u ^ (uint)seed) * 16777619u ^ (uint)index) * 16777619u & int.MaxValue);
}
