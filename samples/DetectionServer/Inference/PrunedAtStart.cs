using FilterPruning.Detection.Data;
using FilterPruning.Detection.Models;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Recovery;
using FilterPruning.Surgery;

namespace DetectionServer.Inference;

/// <summary>Makes the pruned detector when no file of one was given: trace, plan, repair from unlabelled scenes, cut.</summary>
internal static class PrunedAtStart
{
    // Scenes of their own: the page's samples come from another seed.
    private const int RepairSeed = 2_000_000;

    /// <summary>Writes a pruned copy of a detector trained on ShapeScenes.</summary>
    public static void Make(string densePath, string prunedPath, double ratio, int scenes, CancellationToken cancellation)
    {
        using var scope = TorchSharp.torch.NewDisposeScope();
        var (model, description) = DetectorFile.Load(densePath);
        using var owned = model;
        var data = ShapeScenes.Create(scenes, RepairSeed);
        var images = Enumerable.Range(0, scenes).Select(index => data.Load(index).Image).ToArray();

        var graph = DependencyGraph.Trace(model, detector => detector.Detect([images[0]]));
        cancellation.ThrowIfCancellationRequested();
        // Widths in whole vectors of the processor's kernels.
        var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = ratio, ChannelMultiple = 8 });
        var calibration = new CalibrationForward();
        LeastSquaresRepair.Apply(model, graph, plan, images, (detector, image) => calibration.Run(detector, image), cancellation: cancellation);
        using var cut = Surgeon.Apply(graph, plan);
        DetectorFile.SavePruned(model, plan, description, prunedPath);
    }
}
