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
        var repair = new RepairOptions { Progress = new Immediate<RepairProgress>(p => report((double)p.Done / p.Total, p.Layer)) };
        return LeastSquaresRepair.Apply(detector, _graph!, _plan!, images, (model, image) => calibration.Run(model, image), repair, cancellation);
    }

    /// <summary>Cuts and returns the proof's figure.</summary>
    public double Cut()
    {
        using var cut = Surgeon.Apply(_graph!, _plan!);
        After = ModelCost.Measure(_graph!);
        return cut.ProofError;
    }
}
