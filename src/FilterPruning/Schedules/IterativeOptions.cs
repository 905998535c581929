using FilterPruning.Graph;
using FilterPruning.Planning;

namespace FilterPruning.Schedules;

/// <summary>How a model is pruned in steps. Immutable.</summary>
public sealed record IterativeOptions
{
    /// <summary>
    /// What is gone, or remains, after the last step; ratios, targets and floors count from the model before the first. Its
    /// <see cref="PruningOptions.Optimizers"/> are cut with the model. Default: remove nothing.
    /// </summary>
    public PruningOptions Pruning { get; init; } = new();

    /// <summary>The number of steps, at least 1. Default 5.</summary>
    public int Steps { get; init; } = 5;

    /// <summary>How the share that is gone grows. Default <see cref="ScheduleShape.Cubic"/>.</summary>
    public ScheduleShape Shape { get; init; } = ScheduleShape.Cubic;

    /// <summary>Ends the run when a figure of merit falls too low. Default null: all steps are made.</summary>
    public MetricGuard? Guard { get; init; }

    /// <summary>How the model is traced before each step; null for the defaults.</summary>
    public TraceOptions? Trace { get; init; }

    /// <summary>
    /// Called before each cut with the traced model and the plan of the step, the place for a repair (<see cref="Recovery.LeastSquaresRepair"/>). It may change values, never
    /// shapes. Default null.
    /// </summary>
    public Action<DependencyGraph, PruningPlan>? BeforeCut { get; init; }

    /// <summary>Told after each step; may be null.</summary>
    public IProgress<IterativeStepReport>? Progress { get; init; }

    /// <summary>Throws one exception that lists everything that is wrong.</summary>
    internal void Validate()
    {
        var errors = Pruning is null ? [$"{nameof(Pruning)} is null; allowed are pruning options. Leave it out to remove nothing."] : Pruning.Violations();
        if (Pruning?.Target is { Measure: TargetMeasure.Latency })
            errors.Add($"{nameof(Pruning)} has the target '{Pruning.Target}'; allowed are ratios and targets of filters, parameters, macs and bytes, since times are known of the model before the first step alone. Take the share of MACs of a plan that was made for the latency in one step.");
        if (Steps < 1)
            errors.Add($"{nameof(Steps)} is {Steps}; allowed is 1 or more. Use 1 to prune at once.");
        if (!Enum.IsDefined(Shape))
            errors.Add($"{nameof(Shape)} is {(int)Shape}; allowed are {string.Join(", ", Enum.GetNames<ScheduleShape>())}. Choose one of them.");
        Guard?.Check(errors);
        LayerPattern.ThrowAll(errors);
    }

    /// <summary>What a step should reach.</summary>
    /// <param name="step">From 1 to <see cref="Steps"/>.</param>
    /// <param name="share">The share of an absolute target in the cost before the first step.</param>
    internal PruningOptions At(int step, Func<PruningTarget, double> share)
    {
        if (step == Steps)
            return Pruning;
        double After(double final) => PruningSchedule.RemovedAfter(Shape, final, step, Steps);
        return Pruning with
        {
            Ratio = After(Pruning.Ratio),
            Target = Pruning.Target is not { } target ? null
                : PruningTarget.OfShare(target.Measure, 1 - After(Math.Max(0, 1 - (target.Share ?? share(target))))),
            LayerRatios = [.. Pruning.LayerRatios.Select(entry => entry with { Ratio = After(entry.Ratio) })],
        };
    }
}
