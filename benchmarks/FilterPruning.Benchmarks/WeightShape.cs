namespace FilterPruning.Benchmarks;

/// <summary>The shape of a weight in Mask R-CNN R50-FPN, and which layer it is from.</summary>
public sealed record WeightShape(string Layer, params long[] Sizes)
{
    /// <summary>The shapes that make up most of the network: the stem, a residual 3×3, both 1×1 of the last stage, and the two large linear layers.</summary>
    public static IReadOnlyList<WeightShape> MaskRcnn { get; } =
    [
        new("stem", 64, 3, 7, 7),
        new("3x3", 256, 256, 3, 3),
        new("1x1 down", 512, 2048, 1, 1),
        new("1x1 up", 2048, 512, 1, 1),
        new("fc6", 1024, 12544),
        new("fc7", 1024, 1024),
    ];

    public override string ToString() => $"{Layer} [{string.Join(", ", Sizes)}]";
}
