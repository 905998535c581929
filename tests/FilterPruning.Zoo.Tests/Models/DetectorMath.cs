using TorchSharp.Modules;

namespace FilterPruning.Zoo;

/// <summary>What the zoo's detectors compute without weights.</summary>
internal static class DetectorMath
{
    /// <summary>Normal noise <c>[count, 3, size, size]</c>, seeded.</summary>
    public static Tensor Images(long count, long size)
    {
        using var generator = new Generator(1, CPU);
        return randn([count, 3, size, size], dtype: float32, generator: generator);
    }

    /// <summary>A group norm that begins as the identity; TorchSharp 0.107 leaves its weights uninitialised.</summary>
    public static GroupNorm GroupNorm(long groups, long channels)
    {
        var norm = nn.GroupNorm(groups, channels);
        nn.init.ones_(norm.weight);
        nn.init.zeros_(norm.bias);
        return norm;
    }

    /// <summary>Boxes <c>[rows · columns · sizes · ratios, 4]</c> around the cells of a feature map, in pixels.</summary>
    public static Tensor Anchors(Tensor feature, long imageSize, double[] sizes, double[] ratios)
    {
        using var scope = NewDisposeScope();
        var (rows, columns) = (feature.shape[2], feature.shape[3]);
        var shapes = sizes.SelectMany(size => ratios.Select(ratio => (Width: size / Math.Sqrt(ratio), Height: size * Math.Sqrt(ratio))));
        var cell = tensor(shapes.SelectMany(s => new[] { (float)(-s.Width / 2), (float)(-s.Height / 2), (float)(s.Width / 2), (float)(s.Height / 2) }).ToArray()).view(1, -1, 4);
        var grid = meshgrid([arange(rows, dtype: float32) * (imageSize / rows), arange(columns, dtype: float32) * (imageSize / columns)], "ij");
        var corners = stack([grid[1], grid[0], grid[1], grid[0]], -1).view(-1, 1, 4);
        return (corners + cell).view(-1, 4).MoveToOuterDisposeScope();
    }

    /// <summary><c>[N, anchors · values, H, W]</c> → <c>[N, H · W · anchors, values]</c>.</summary>
    public static Tensor PerAnchor(Tensor output, long values)
    {
        var (n, height, width) = (output.shape[0], output.shape[2], output.shape[3]);
        return output.view(n, -1, values, height, width).permute(0, 3, 4, 1, 2).reshape(n, -1, values);
    }

    /// <summary>The best <paramref name="count"/> of <c>[boxes, classes]</c>: scores, and where they are.</summary>
    public static (Tensor Scores, Tensor Box, Tensor Label) Best(Tensor scores, int count)
    {
        var flat = scores.flatten();
        var (best, indices) = flat.topk((int)Math.Min(count, flat.shape[0]));
        return (best, indices.div(scores.shape[1], RoundingMode.floor), indices.remainder(scores.shape[1]));
    }

    /// <summary>The mean squares of some outputs, added up: something to train on that needs no labels.</summary>
    public static Tensor SumOfSquares(IEnumerable<Tensor> outputs) => outputs.Select(output => output.square().mean()).Aggregate((sum, next) => sum + next);
}
