using FilterPruning.Graph;
using FilterPruning.Planning;

namespace FilterPruning.Schedules;

/// <summary>Why an iterative run ended.</summary>
public enum IterativeEnd
{
    /// <summary>All steps were made.</summary>
    Completed,

    /// <summary>The guard's figure fell too low; the model is as it was after the last good step.</summary>
    Guarded,

    /// <summary>The callback asked for no further step.</summary>
    Asked,
}

/// <summary>A step of an iterative run, for the callback after its cut.</summary>
public sealed class IterativeStep
{
    internal IterativeStep(int number, int steps, DependencyGraph graph, PruningPlan stepPlan, PruningPlan plan, double proofError)
        => (Number, Steps, Graph, StepPlan, Plan, ProofError) = (number, steps, graph, stepPlan, plan, proofError);

    /// <summary>The step, from 1.</summary>
    public int Number { get; }

    /// <summary>The number of steps of the whole run.</summary>
    public int Steps { get; }

    /// <summary>The graph that the step was planned on: the model before the step's cut.</summary>
    public DependencyGraph Graph { get; }

    /// <summary>What this step removed from the model that the one before left.</summary>
    public PruningPlan StepPlan { get; }

    /// <summary>Everything removed so far, from the model before the first step.</summary>
    public PruningPlan Plan { get; }

    /// <summary>The largest relative difference between the model and its masked self right after the cut.</summary>
    public double ProofError { get; }

    /// <summary>Set to true to make this step the last.</summary>
    public bool StopAfterThis { get; set; }
}

/// <summary>What a step of an iterative run did.</summary>
/// <param name="Number">The step, from 1.</param>
/// <param name="RemovedGroups">Channel groups that this step removed.</param>
/// <param name="After">The model's cost after it.</param>
/// <param name="ProofError">The largest relative difference between the model and its masked self right after the cut.</param>
/// <param name="Metric">The guard's figure after the callback; null without a guard.</param>
/// <param name="Kept">Whether the step stayed: false for one that the guard took back.</param>
public readonly record struct IterativeStepReport(int Number, int RemovedGroups, Cost After, double ProofError, double? Metric, bool Kept);

/// <summary>What an iterative run did to a model. Immutable; holds no tensor.</summary>
public sealed record IterativeResult
{
    /// <summary>Everything removed, as one plan for the model before the first step; what <see cref="Storage.PrunedModel.Save"/> needs.</summary>
    public required PruningPlan Plan { get; init; }

    /// <summary>Why the run ended.</summary>
    public required IterativeEnd End { get; init; }

    /// <summary>The guard's figure before the first step; null where it was not measured.</summary>
    public required double? MetricBefore { get; init; }

    /// <summary>Every step, one that was taken back included.</summary>
    public required IReadOnlyList<IterativeStepReport> Steps { get; init; }

    /// <summary>The model's cost before the first step.</summary>
    public Cost Before => Plan.Before;

    /// <summary>The model's cost now, as counted on the last trace.</summary>
    public Cost After => Plan.Predicted;
}
