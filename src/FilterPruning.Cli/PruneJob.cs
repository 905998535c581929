using FilterPruning.Detection.Models;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Recovery;
using FilterPruning.Surgery;

namespace FilterPruning.Cli;

/// <summary>The stages of pruning a detector, one after another, with progress between them.</summary>
internal sealed class PruneJob(MaskRcnnModel detector, PruningOptions options)
{
    /// <summary>Coupling does not depend on the image's size; a small one is traced faster.</summary>
    public const int TraceSize = 128;

    private DependencyGraph? _graph;
    private PruningPlan? _plan;

    /// <summary>The cost after the cut.</summary>
    public Cost After { get; private set; }

    public DependencyGraph Trace(int size) => _graph = DetectorTrace.Run(detector, size);

    public PruningPlan Plan() => _plan = PruningPlanner.CreatePlan(_graph!, options);

    public RepairReport Repair(IReadOnlyList<Tensor> images, Action<double, string> report, CancellationToken cancellation)
    {
        var calibration = new CalibrationForward();
        return LeastSquaresRepair.Apply(detector, _graph!, _plan!, images, (model, image) => calibration.Run(model, image), Options(report), cancellation);
    }

    /// <summary>Repairs from made-up images.</summary>
    public RepairReport RepairWithoutImages(int images, int seed, Action<double, string> report, CancellationToken cancellation) =>
        DataFree.Repair(detector, _graph!, _plan!, images, seed, Options(report), cancellation);

    /// <summary>Cuts and returns the proof's figure.</summary>
    public double Cut()
    {
        using var cut = Surgeon.Apply(_graph!, _plan!);
        After = ModelCost.Measure(_graph!);
        return cut.ProofError;
    }

    private static RepairOptions Options(Action<double, string> report) => new() { Progress = new Immediate<RepairProgress>(p => report((double)p.Done / p.Total, p.Layer)) };
}
