using FilterPruning.Detection.Models;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Recovery;

namespace FilterPruning.Cli;

/// <summary>Repairs a detector without a single image.</summary>
internal static class DataFree
{
    /// <summary>What stands where a folder of images would.</summary>
    public const string Name = "data-free";

    // On made-up images all proposals are equally good, and nothing may be found.
    private const int Proposals = 100;
    private const int MaskBoxes = 20;

    /// <summary>Repairs from made-up images of the size that the detector works at.</summary>
    public static RepairReport Repair(
        MaskRcnnModel detector, DependencyGraph graph, PruningPlan plan, int images, int seed, RepairOptions options, CancellationToken cancellation)
    {
        if (images < 1)
            throw new ArgumentException($"--images is {images}; give at least 1.");
        var size = detector.Options.MinSize;
        var madeUp = SyntheticImages.Create(images, 3, size, size, seed);
        try
        {
            var calibration = new CalibrationForward(Proposals) { MinBoxes = MaskBoxes };
            return DataFreeRepair.Apply(detector, graph, plan, madeUp, (model, image) => calibration.Run(model, image), options, cancellation);
        }
        finally
        {
            foreach (var image in madeUp)
                image.Dispose();
        }
    }
}
