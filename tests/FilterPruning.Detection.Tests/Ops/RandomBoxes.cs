namespace FilterPruning.Detection.Tests.Ops;

/// <summary>Boxes and RoIs for tests, from seeded draws.</summary>
internal static class RandomBoxes
{
    /// <summary><c>[count, 5]</c>: image, x1, y1, x2, y2. Some lie partly or wholly outside, some are thinner than a cell.</summary>
    public static Tensor RoIs(Random random, int count, int images, double width, double height)
    {
        var values = new float[count * 5];
        for (var k = 0; k < count; k++)
        {
            var (x, y) = (random.NextDouble() * 1.4 * width - 0.2 * width, random.NextDouble() * 1.4 * height - 0.2 * height);
            var (w, h) = (Math.Pow(random.NextDouble(), 3) * width, Math.Pow(random.NextDouble(), 3) * height);
            values[k * 5] = random.Next(images);
            values[k * 5 + 1] = (float)x;
            values[k * 5 + 2] = (float)y;
            values[k * 5 + 3] = (float)(x + w);
            values[k * 5 + 4] = (float)(y + h);
        }

        return tensor(values).view(-1, 5);
    }

    /// <summary><c>[count, 4]</c> inside the given size.</summary>
    public static Tensor Boxes(Random random, int count, double width, double height)
    {
        var values = new float[count * 4];
        for (var k = 0; k < count; k++)
        {
            var (x, y) = (random.NextDouble() * width, random.NextDouble() * height);
            values[k * 4] = (float)x;
            values[k * 4 + 1] = (float)y;
            values[k * 4 + 2] = (float)(x + random.NextDouble() * (width - x));
            values[k * 4 + 3] = (float)(y + random.NextDouble() * (height - y));
        }

        return tensor(values).view(-1, 4);
    }

    /// <summary>Standard normal values from a seed.</summary>
    public static Tensor Normal(long seed, params long[] shape)
    {
        using var generator = new Generator((ulong)seed);
        return randn(shape, dtype: ScalarType.Float32, generator: generator);
    }

    public static double LargestDifference(Tensor a, Tensor b) =>
        a.NumberOfElements == 0 ? 0 : (a.to(ScalarType.Float64) - b.to(ScalarType.Float64)).abs().max().item<double>();
}
