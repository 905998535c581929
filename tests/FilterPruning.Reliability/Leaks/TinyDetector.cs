using FilterPruning.Detection.Models;

namespace FilterPruning.Reliability.Leaks;

/// <summary>A detector so small that ten thousand detections take minutes, and pictures for it. Untrained: it finds the most that it may, everywhere.</summary>
internal static class TinyDetector
{
    private const int Side = 64;

    /// <summary>The options; those of the network's real sizes are as they are by default.</summary>
    public static MaskRcnnOptions Options { get; } = new()
    {
        MinSize = Side,
        MaxSize = 2 * Side,
        BackboneWidth = 8,
        FpnChannels = 16,
        RepresentationSize = 24,
        MaskChannels = 8,
        MaskReducedChannels = 12,
        RpnPreNmsTopNTest = 60,
        RpnPostNmsTopNTest = 30,
        BoxDetectionsPerImage = 10,
        AnchorSizes = [[8], [16], [32], [64], [128]],
    };

    /// <summary>A ResNet-18-FPN in evaluation mode; the caller's.</summary>
    public static MaskRcnnModel Create()
    {
        var model = MaskRcnn.ResNet18Fpn(3, Options);
        model.eval();
        return model;
    }

    /// <summary>Noise of different sizes, float32 <c>[3, H, W]</c>; the caller's.</summary>
    public static Tensor[] Pictures(int count)
    {
        using var generator = new Generator(7);
        return [.. Enumerable.Range(0, count).Select(i => rand([3, Side - (8 * (i % 3)), Side + (16 * (i % 2))], generator: generator).DetachFromDisposeScope())];
    }
}
