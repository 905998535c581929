using System.Diagnostics;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Surgery;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

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
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(example);
        return Prune(() => DependencyGraph.Trace(model, example), options, logger);
    }

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
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(forward);
        return Prune(() => DependencyGraph.Trace(model, forward), options, logger);
    }

    private static PruningReport Prune(Func<DependencyGraph> trace, PruningOptions options, ILogger? logger)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        var surgery = new SurgeryOptions { VerifyTrace = options.VerifyTrace, Optimizers = options.Optimizers };
        surgery.Validate();
        logger ??= NullLogger.Instance;
        var start = Stopwatch.GetTimestamp();
        using var scope = NewDisposeScope();

        var graph = trace();
        logger.LogInformation("Traced {Layers} layers with {Groups} channel groups, {Pinned} of them pinned.", graph.Layers.Count, graph.Groups.Count, graph.Groups.Count(group => group.Pin is not null));

        var plan = PruningPlanner.CreatePlan(graph, options);
        logger.LogInformation(
            "Planned to remove {Removed} of {Groups} groups: {Before} -> {After} parameters.", plan.RemovedGroups, plan.TotalGroups, plan.Before.Parameters, plan.Predicted.Parameters);
        foreach (var layer in plan.Layers.Where(layer => layer.Skipped is not null))
            logger.LogDebug("Layer {Layer} keeps its {Channels} channels: {Reason}", layer.Name, layer.OutputChannels, layer.Skipped);

        using var cut = Surgeon.Apply(graph, plan, surgery);
        logger.LogInformation("Cut, and proved equal to the masked model within {Error:G3}.", cut.ProofError);
        foreach (var layer in cut.Proof.NotExercised)
            logger.LogWarning("No forward reached layer {Layer} with data; it was proved alone.", layer);

        return new PruningReport
        {
            Plan = plan,
            Before = plan.Before,
            After = ModelCost.Measure(graph),
            ProofError = cut.ProofError,
            Layers = [.. graph.Layers.Select(layer => Report(layer, plan.Find(layer.Name)!))],
            Elapsed = Stopwatch.GetElapsedTime(start),
        };
    }

    private static LayerReport Report(TracedLayer layer, LayerPlan plan) => new(
        layer.Name, layer.Kind,
        layer.OutputChannels, layer.Rule.OutputChannels(layer.Module), layer.InputChannels, layer.Rule.InputChannels(layer.Module),
        plan.Scores?.Minimum, plan.Scores?.Maximum, plan.Skipped);
}
