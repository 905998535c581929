using FilterPruning.Criteria;
using FilterPruning.Detection.Models;
using FilterPruning.Graph;
using FilterPruning.Latency;
using FilterPruning.Planning;
using FilterPruning.Recovery;
using FilterPruning.Schedules;
using FilterPruning.Surgery;

namespace FilterPruning.Cli;

/// <summary>The stages of pruning a detector, one after another, with progress between them.</summary>
/// <param name="detector">The model.</param>
/// <param name="options">What to remove.</param>
/// <param name="byReconstruction">Whether <see cref="ReconstructionCriterion"/> takes the place of the options' criterion; then, and with <see cref="PruningScope.Allocated"/>, images are collected before planning.</param>
/// <param name="given">The JSON of a plan made elsewhere, complete or not, that is followed instead of making one; null to make one.</param>
/// <param name="scan">A finished scan that says how the budget is spent; null to spend it as the options say.</param>
internal sealed class PruneJob(MaskRcnnModel detector, PruningOptions options, bool byReconstruction = false, SensitivityResult? scan = null, string? given = null)
{
    /// <summary>Coupling does not depend on the image's size; a small one is traced faster.</summary>
    public const int TraceSize = 128;

    private DependencyGraph? _graph;
    private PruningPlan? _plan;
    private CalibrationSample? _sample;

    /// <summary>The cost after the cut.</summary>
    public Cost After { get; private set; }

    /// <summary>The times that a target of latency was planned with; null without one.</summary>
    public LatencyModel? Times { get; private set; }

    public DependencyGraph Trace(int size) => _graph = DetectorTrace.Run(detector, size);

    public DependencyGraph Trace(Tensor image) => _graph = DetectorTrace.Run(detector, image);

    /// <summary>Times the model's layers on the traced image, on this machine.</summary>
    /// <remarks>Prepared for inference, as <c>detect</c> runs it.</remarks>
    public void Time(Action<double, string> report, CancellationToken cancellation)
    {
        using var prepared = detector.PrepareForInference();
        Times = LatencyModel.Measure(_graph!, new LatencyOptions { Progress = new Immediate<double>(share => report(share, "")) }, cancellation);
    }

    /// <summary>The median milliseconds of the cut model on the traced image, prepared as in <see cref="Time"/>.</summary>
    public double TimeAfterCut()
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var prepared = detector.PrepareForInference();
        return LatencyModel.MeasureForward(_graph!);
    }

    /// <summary>Runs the dense model on unlabelled images, once each; they must live until the repair is done.</summary>
    public void Collect(IReadOnlyList<Tensor> images, Action<double, string> report, CancellationToken cancellation)
    {
        var calibration = new CalibrationForward();
        _sample = CalibrationSample.Collect(
            detector, _graph!, images, (model, image) => calibration.Run(model, image), new CalibrationOptions { Progress = new Immediate<double>(share => report(share, "")) }, cancellation);
    }

    public PruningPlan Plan()
    {
        if (given is not null)
            return _plan = PruningPlan.FromJson(given, _graph!);
        var chosen = options with { Latency = Times };
        if (byReconstruction)
            chosen = chosen with { Criterion = new ReconstructionCriterion(_sample!) };
        if (scan is not null)
            chosen = SensitivityAllocation.Allocate(_graph!, scan, chosen);
        return _plan = options.Scope == PruningScope.Allocated ? ReconstructionAllocation.Plan(_sample!, chosen) : PruningPlanner.CreatePlan(_graph!, chosen);
    }

    public RepairReport Repair(IReadOnlyList<Tensor> images, Action<double, string> report, CancellationToken cancellation)
    {
        if (_sample is null)
            Collect(images, (_, _) => { }, cancellation);
        using var sample = _sample!;
        _sample = null;
        return LeastSquaresRepair.Apply(detector, sample, _plan!, Options(report), cancellation);
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
