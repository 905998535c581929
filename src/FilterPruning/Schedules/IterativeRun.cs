using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Surgery;

namespace FilterPruning.Schedules;

/// <summary>An iterative run while it goes on: the original model's graph, what was cut so far, and the states to go back to.</summary>
internal sealed class IterativeRun : IDisposable
{
    private readonly Func<TraceOptions, DependencyGraph> _trace;
    private readonly IterativeOptions _options;
    private readonly DependencyGraph _original;
    private readonly long _bytes;
    private readonly string[] _signatures;
    private readonly TrainingState _start;
    private readonly PruningPlan _nothing;
    private readonly List<IterativeStepReport> _reports = [];
    private TrainingState? _good;
    private PruningPlan? _done;

    public IterativeRun(Func<TraceOptions, DependencyGraph> trace, IterativeOptions options)
    {
        _trace = trace;
        _options = options;
        _original = trace(options.Trace ?? new TraceOptions());
        _signatures = PlanRole.Signatures(_original);
        _bytes = StoredBytes.Measure(_original);
        _nothing = PruningPlanner.EmptyPlan(_original, options.Pruning);
        _start = new TrainingState(_original, options.Pruning.Optimizers);
    }

    /// <summary>Makes all steps, or those until the guard or the callback ends the run.</summary>
    public IterativeResult Complete(Action<IterativeStep>? afterStep, CancellationToken cancellation)
    {
        var before = _options.Guard?.Metric();
        var end = IterativeEnd.Completed;
        for (var number = 1; number <= _options.Steps && end == IterativeEnd.Completed; number++)
        {
            cancellation.ThrowIfCancellationRequested();
            end = Step(number, before, afterStep);
        }

        return new IterativeResult { Plan = _done ?? _nothing, End = end, MetricBefore = before, Steps = _reports };
    }

    /// <summary>Gives the model the state it had before the first step.</summary>
    public void RestoreStart() => _start.Restore();

    public void Dispose()
    {
        _start.Dispose();
        _good?.Dispose();
    }

    private IterativeEnd Step(int number, double? metricBefore, Action<IterativeStep>? afterStep)
    {
        var graph = _done is null ? _original : Trace();
        var history = _done is null ? null : new PlanHistory(_original, _done, _bytes, _signatures, graph);
        var plan = PruningPlanner.CreatePlan(graph, _options.At(number, Share), history);
        _options.BeforeCut?.Invoke(graph, plan);
        var proofError = Cut(graph, plan);
        var total = _done is null ? plan : _done.Then(plan);
        var step = new IterativeStep(number, _options.Steps, graph, plan, total, proofError);
        afterStep?.Invoke(step);
        var metric = _options.Guard?.Metric();
        _start.ThrowIfReplaced();

        var good = metric is not { } value || value >= Bound(metricBefore!.Value);
        var report = new IterativeStepReport(number, plan.RemovedGroups, plan.Predicted, proofError, metric, good);
        _reports.Add(report);
        if (!good)
        {
            (_good ?? _start).Restore();
            _options.Progress?.Report(report);
            return IterativeEnd.Guarded;
        }

        _done = total;
        if (_options.Guard is not null && number < _options.Steps)
            RememberGood();
        _options.Progress?.Report(report);
        return step.StopAfterThis ? IterativeEnd.Asked : IterativeEnd.Completed;
    }

    private double Cut(DependencyGraph graph, PruningPlan plan)
    {
        if (plan.RemovedGroups == 0)
            return 0;
        using var cut = Surgeon.Apply(graph, plan, new SurgeryOptions { Optimizers = _options.Pruning.Optimizers, VerifyTrace = _options.Pruning.VerifyTrace });
        return cut.ProofError;
    }

    private DependencyGraph Trace() => _trace(_options.Trace ?? new TraceOptions());

    private void RememberGood()
    {
        // The widths are those after the cut, which the graph of the step does not know; the rules do.
        var state = new TrainingState(_original, _options.Pruning.Optimizers);
        _good?.Dispose();
        _good = state;
    }

    // A value that is not a number is not above any bound.
    private double Bound(double before) => _options.Guard!.Minimum ?? before - _options.Guard.MaximumDrop!.Value;

    private double Share(PruningTarget target) => (double)target.Amount!.Value / target.Measure switch
    {
        TargetMeasure.Parameters => _nothing.Before.Parameters,
        TargetMeasure.Macs => _nothing.Before.Macs,
        _ => _bytes,
    };
}
