namespace FilterPruning.Benchmarks.Scoring;

/// <summary>The shape of a weight in Mask R-CNN R50-FPN, and which layer it is from.</summary>
public sealed record WeightShape(string Layer, params long[] Sizes)
{
    /// <summary>The stem, the smallest output layer, a 3×3 and a 1×1 of the first and the last stage, those of the heads, and the linear layers: between them they have every proportion in the network.</summary>
    public static IReadOnlyList<WeightShape> MaskRcnn { get; } =
    [
        new("stem", 64, 3, 7, 7),
        new("rpn cls_logits", 3, 256, 1, 1),
        new("layer1 1x1", 64, 256, 1, 1),
        new("layer1 3x3", 64, 64, 3, 3),
        new("head 3x3", 256, 256, 3, 3),
        new("mask transposed", 256, 256, 2, 2),
        new("layer4 3x3", 512, 512, 3, 3),
        new("layer4 1x1 down", 512, 2048, 1, 1),
        new("layer4 1x1 up", 2048, 512, 1, 1),
        new("fc6", 1024, 12544),
        new("fc7", 1024, 1024),
        new("cls_score", 91, 1024),
    ];

    /// <summary>Numbers in the weight.</summary>
    public long Count => Sizes.Aggregate((a, b) => a * b);

    public override string ToString() => $"{Layer} [{string.Join(", ", Sizes)}]";
}
