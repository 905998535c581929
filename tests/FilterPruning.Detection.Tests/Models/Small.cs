using FilterPruning.Detection.Models;

namespace FilterPruning.Detection.Tests.ModelTests;

/// <summary>A model and images small enough for many tests.</summary>
internal static class Small
{
    public static MaskRcnnOptions Options { get; } = new()
    {
        MinSize = 64,
        MaxSize = 128,
        BackboneWidth = 8,
        FpnChannels = 16,
        RepresentationSize = 24,
        MaskChannels = 8,
        MaskReducedChannels = 12,
        RpnPreNmsTopNTrain = 60,
        RpnPreNmsTopNTest = 60,
        RpnPostNmsTopNTrain = 40,
        RpnPostNmsTopNTest = 30,
        BoxBatchSizePerImage = 32,
        RpnBatchSizePerImage = 64,
        BoxDetectionsPerImage = 10,
        AnchorSizes = [[8], [16], [32], [64], [128]],
    };

    public static Tensor[] Images() => [ParityFormula.Image(0, 60, 80), ParityFormula.Image(1, 70, 50)];

    public static Target[] Targets() =>
    [
        ParityFormula.Target([[8, 10, 40, 44, 1], [30, 20, 70, 50, 2]], 60, 80),
        ParityFormula.Target([[5, 15, 33, 60, 2]], 70, 50),
    ];
}
