namespace FilterPruning.Detection.Models;

/// <summary>How many blocks of which kind a ResNet has.</summary>
internal sealed record ResNetShape(bool Bottleneck, IReadOnlyList<int> Blocks)
{
    public static readonly ResNetShape ResNet18 = new(false, [2, 2, 2, 2]);
    public static readonly ResNetShape ResNet34 = new(false, [3, 4, 6, 3]);
    public static readonly ResNetShape ResNet50 = new(true, [3, 4, 6, 3]);
    public static readonly ResNetShape ResNet101 = new(true, [3, 4, 23, 3]);

    /// <summary>Output channels of a block per inner channel.</summary>
    public int Expansion => Bottleneck ? 4 : 1;
}
