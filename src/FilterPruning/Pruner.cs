using System.Runtime.CompilerServices;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Surgery;
using FilterPruning.Tracing;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Stopwatch = System.Diagnostics.Stopwatch;

namespace FilterPruning;

/// <summary>The front door: trace, plan, cut and prove in one call.</summary>
public static class Pruner
{
    /// <summary>Prunes a model that takes one tensor, in place.</summary>
    /// <param name="model">The trained model. Modules and parameters stay the same objects; only shapes change.</param>
    /// <param name="example">An input of the shape, type and device the model is used with; stays the caller's.</param>
    /// <param name="options">What to remove.</param>
    /// <param name="logger">Gets a line per stage; null for silence.</param>
    /// <returns>What was done, with the cost before and after and the proof.</returns>
    /// <exception cref="ArgumentException">Options that cannot be used; lists all of them.</exception>
    /// <exception cref="PruningException">The model cannot be traced or cut; the message names the layers. The model is then as it was.</exception>
    public static PruningReport Prune(nn.Module<Tensor, Tensor> model, Tensor example, PruningOptions options, ILogger? logger = null)
        => Prune(model, example, options, new PruningContext { Logger = logger });

    /// <summary>Prunes any model by a function that runs it, in place.</summary>
    /// <param name="model">The trained model. Modules and parameters stay the same objects; only shapes change.</param>
    /// <param name="forward">Runs the model on inputs of its own choice and returns everything the model answers. It is called several times, in evaluation mode.</param>
    /// <param name="options">What to remove.</param>
    /// <param name="logger">Gets a line per stage; null for silence.</param>
    /// <returns>What was done, with the cost before and after and the proof.</returns>
    /// <exception cref="ArgumentException">Options that cannot be used; lists all of them.</exception>
    /// <exception cref="PruningException">The model cannot be traced or cut; the message names the layers. The model is then as it was.</exception>
    public static PruningReport Prune<TModel>(TModel model, Func<TModel, object?> forward, PruningOptions options, ILogger? logger = null)
        where TModel : nn.Module
        => Prune(model, forward, options, new PruningContext { Logger = logger });

    /// <summary>Prunes a model that takes one tensor, in place, with progress, cancellation and rules for layers of your own.</summary>
    /// <param name="model">The trained model. Modules and parameters stay the same objects; only shapes change.</param>
    /// <param name="example">An input of the shape, type and device the model is used with; stays the caller's.</param>
    /// <param name="options">What to remove.</param>
    /// <param name="context">Logging, progress, cancellation, tracing.</param>
    /// <returns>What was done, with the cost before and after and the proof.</returns>
    /// <exception cref="ArgumentException">Options that cannot be used; lists all of them.</exception>
    /// <exception cref="PruningException">The model cannot be traced or cut; the message names the layers. The model is then as it was.</exception>
    /// <exception cref="OperationCanceledException">The call was cancelled. The model and the optimizers are then as they were.</exception>
    [OverloadResolutionPriority(-1)]  // a null in this place means "no logger"
    public static PruningReport Prune(nn.Module<Tensor, Tensor> model, Tensor example, PruningOptions options, PruningContext context)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(example);
        ArgumentNullException.ThrowIfNull(context);
        return Prune(trace => Tracer.Trace(model, input => context.Forward(() => model.call(input!)), example, trace), options, context);
    }

    /// <summary>Prunes any model by a function that runs it, in place, with progress, cancellation and rules for layers of your own.</summary>
    /// <param name="model">The trained model. Modules and parameters stay the same objects; only shapes change.</param>
    /// <param name="forward">Runs the model on inputs of its own choice and returns everything the model answers. It is called several times, in evaluation mode.</param>
    /// <param name="options">What to remove.</param>
    /// <param name="context">Logging, progress, cancellation, tracing.</param>
    /// <returns>What was done, with the cost before and after and the proof.</returns>
    /// <exception cref="ArgumentException">Options that cannot be used; lists all of them.</exception>
    /// <exception cref="PruningException">The model cannot be traced or cut; the message names the layers. The model is then as it was.</exception>
    /// <exception cref="OperationCanceledException">The call was cancelled. The model and the optimizers are then as they were.</exception>
    [OverloadResolutionPriority(-1)]
    public static PruningReport Prune<TModel>(TModel model, Func<TModel, object?> forward, PruningOptions options, PruningContext context)
        where TModel : nn.Module
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(forward);
        ArgumentNullException.ThrowIfNull(context);
        return Prune(trace => Tracer.Trace(model, _ => context.Forward(() => forward(model)), null, trace), options, context);
    }

    private static PruningReport Prune(Func<TraceOptions, DependencyGraph> trace, PruningOptions options, PruningContext context)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(context.Trace, nameof(context));
        options.Validate();
        context.Trace.Validate();
        var at = PruningStage.Trace;
        var surgery = new SurgeryOptions { VerifyTrace = options.VerifyTrace, Optimizers = options.Optimizers, OnStep = Step, CanUndo = false, HoldsOn = true };
        surgery.Validate();
        var logger = context.Logger ?? NullLogger.Instance;
        try
        {
            return Run(trace, options, surgery, context, Step, logger);
        }
        catch (OperationCanceledException)
        {
            PruningLog.Cancelled(logger, at);
            throw;
        }
        catch (Exception error) when (context.CancellationToken.IsCancellationRequested)
        {
            // A forward that was stopped looks to the trace like one that failed.
            PruningLog.Cancelled(logger, at);
            throw new OperationCanceledException("Pruning was cancelled; the model is as it was.", error, context.CancellationToken);
        }
        catch (Exception error)
        {
            PruningLog.Failed(logger, at, error.Message, error);
            throw;
        }

        void Step(PruningStage stage, int done, int total)
        {
            at = stage;
            context.Step(stage, done, total);
        }
    }

    private static PruningReport Run(
        Func<TraceOptions, DependencyGraph> trace, PruningOptions options, SurgeryOptions surgery, PruningContext context, Action<PruningStage, int, int> step, ILogger logger)
    {
        var start = Stopwatch.GetTimestamp();
        using var scope = NewDisposeScope();
        var graph = trace(context.Trace with { OnTrial = (done, total) => step(PruningStage.Trace, done, total) });
        PruningLog.Traced(logger, graph.Layers.Count, graph.Groups.Count, graph.Groups.Count(group => group.Pin is not null));
        foreach (var layer in graph.UncalledLayers)
            PruningLog.NotCalled(logger, layer);

        step(PruningStage.Plan, 0, 1);
        var plan = PruningPlanner.CreatePlan(graph, options);
        PruningLog.Planned(logger, plan.RemovedGroups, plan.TotalGroups, plan.Before.Parameters, plan.Predicted.Parameters);
        foreach (var layer in plan.Layers)
        {
            if (layer.Skipped is { } reason)
                PruningLog.LayerKept(logger, layer.Name, layer.OutputChannels, reason);
        }

        step(PruningStage.Plan, 1, 1);
        using var cut = Surgeon.Apply(graph, plan, surgery);
        try
        {
            var report = Report(graph, plan, cut, Stopwatch.GetElapsedTime(start));
            PruningLog.Cut(logger, cut.ProofError);
            foreach (var layer in cut.Proof.NotExercised)
                PruningLog.NotExercised(logger, layer);
            context.Progress?.Report(new PruningProgress(PruningStage.Report, 1, 1));
            PruningLog.Done(logger, report.Before.Parameters, report.After.Parameters, (long)report.Elapsed.TotalMilliseconds);
            return report;
        }
        catch
        {
            // The caller's logger or progress threw.
            cut.Undo();
            throw;
        }
    }

    private static PruningReport Report(DependencyGraph graph, PruningPlan plan, CutResult cut, TimeSpan elapsed) => new()
    {
        Plan = plan,
        Before = plan.Before,
        After = ModelCost.Measure(graph),
        ProofError = cut.ProofError,
        Layers = [.. graph.Layers.Select(layer => Report(layer, plan.Find(layer.Name)!))],
        Elapsed = elapsed,
        Cuts = cut.Cuts,
    };

    private static LayerReport Report(TracedLayer layer, LayerPlan plan) => new(
        layer.Name, layer.Kind,
        layer.OutputChannels, layer.Rule.OutputChannels(layer.Module), layer.InputChannels, layer.Rule.InputChannels(layer.Module),
        plan.Scores?.Minimum, plan.Scores?.Maximum, plan.Skipped);
}
