using FilterPruning.Graph;
using FilterPruning.Layers;
using FilterPruning.Planning;

namespace FilterPruning.Recovery;

/// <summary>
/// Computes the running means and variances of a model's live batch norms anew from unlabelled inputs: what the layers before them deliver after a cut is no longer what the statistics were
/// collected from.
/// </summary>
/// <remarks>
/// <para>
/// The statistics are exact: mean and unbiased variance over all positions of all inputs, in float64, with no momentum, however the inputs are batched. Norms are taken in data order, each on what the
/// norms before it deliver with their new statistics, so that afterwards every norm's output has the mean and the variance on these inputs that its weight and bias say. (PyTorch's <c>update_bn</c>
/// averages statistics of batches that were normalised by statistics of their own.)
/// </para>
/// <para>
/// Works on any model, before a cut or after it, pruned by this library or not. In masked form (repaired, not yet cut) the statistics of channels that are about to go are computed too and go
/// with them; the plan stays valid. It recomputes what <see cref="LeastSquaresRepair"/> and <see cref="BiasCompensation"/> wrote into a running mean, so it comes after them.
/// Everything else stays: weights, training flags, <c>num_batches_tracked</c>.
/// </para>
/// </remarks>
public static class BatchNormRecalibration
{
    /// <summary>Recalibrates every live norm of a model of one tensor.</summary>
    /// <inheritdoc cref="Apply{TModel, TInput}(TModel, IEnumerable{TInput}, Func{TModel, TInput, object?}, RecalibrationOptions?, CancellationToken)"/>
    public static RecalibrationReport Apply(
        nn.Module<Tensor, Tensor> model, IEnumerable<Tensor> inputs, RecalibrationOptions? options = null, CancellationToken cancellation = default) =>
        Apply(model, inputs, static (module, input) => module.call(input), options, cancellation);

    /// <summary>Recalibrates every live norm of any model.</summary>
    /// <param name="model">The model; changed in place.</param>
    /// <param name="inputs">Unlabelled inputs, at least one; not disposed.</param>
    /// <param name="forward">Runs the model on one input; called once for each norm and once more, and left as soon as the norm has been reached.</param>
    /// <param name="options">Options; null for the defaults.</param>
    /// <param name="cancellation">Cancels between inputs; the model is then as it was.</param>
    /// <exception cref="ArgumentException">There are no inputs.</exception>
    /// <exception cref="PruningException">The model has no live norm.</exception>
    public static RecalibrationReport Apply<TModel, TInput>(
        TModel model, IEnumerable<TInput> inputs, Func<TModel, TInput, object?> forward, RecalibrationOptions? options = null, CancellationToken cancellation = default)
        where TModel : nn.Module
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(inputs);
        ArgumentNullException.ThrowIfNull(forward);
        options ??= new RecalibrationOptions();
        var norms = model.named_modules().Select(entry => Norm(entry.name, entry.module)).OfType<TracedLayer>().ToList();
        return Run(model, norms, inputs, forward, options, cancellation);
    }

    /// <summary>Recalibrates the live norms behind layers that a plan changes, and no other: what comes before the first cut is as it was.</summary>
    /// <param name="model">The traced model, before or after the cut; changed in place.</param>
    /// <param name="graph">The graph that the plan was made from; it may be older than the cut.</param>
    /// <param name="plan">What is, or was, removed.</param>
    /// <param name="inputs">Unlabelled inputs, at least one; not disposed.</param>
    /// <param name="forward">Runs the model on one input; called once for each norm and once more, and left as soon as the norm has been reached.</param>
    /// <param name="options">Options; null for the defaults.</param>
    /// <param name="cancellation">Cancels between inputs; the model is then as it was.</param>
    /// <exception cref="ArgumentException">There are no inputs, or the graph is of another model.</exception>
    /// <exception cref="PruningException">The model has no live norm, or the plan does not name the graph's layers.</exception>
    public static RecalibrationReport Apply<TModel, TInput>(
        TModel model,
        DependencyGraph graph,
        PruningPlan plan,
        IEnumerable<TInput> inputs,
        Func<TModel, TInput, object?> forward,
        RecalibrationOptions? options = null,
        CancellationToken cancellation = default)
        where TModel : nn.Module
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(graph);
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(inputs);
        ArgumentNullException.ThrowIfNull(forward);
        RepairChecks.SameModel(model, graph);
        var behind = BehindChanges(graph, plan);
        return Run(model, [.. graph.Layers.Where(layer => behind.Contains(layer.Name))], inputs, forward, options ?? new RecalibrationOptions(), cancellation, allLayers: graph.Layers);
    }

    private static RecalibrationReport Run<TModel, TInput>(
        TModel model, IReadOnlyList<TracedLayer> layers, IEnumerable<TInput> inputs, Func<TModel, TInput, object?> forward, RecalibrationOptions options,
        CancellationToken cancellation, IReadOnlyList<TracedLayer>? allLayers = null)
        where TModel : nn.Module
    {
        var forwards = RepairChecks.Forwards(model, inputs, forward, "recalibrate from");
        if (!(allLayers ?? layers).Any(layer => Wanted(layer, options)))
            throw NoNorms(allLayers ?? layers);
        return new RecalibrationSession(model, [.. layers.Where(layer => Wanted(layer, options))], forwards, options.Progress).Run(cancellation);
    }

    private static bool Wanted(TracedLayer layer, RecalibrationOptions options) => RunningStatistics.IsBatchNorm(layer) && (options.IncludeFrozen || RunningStatistics.AreLive(layer));

    private static PruningException NoNorms(IReadOnlyList<TracedLayer> layers)
    {
        var frozen = layers.Where(RunningStatistics.IsBatchNorm).ToList();
        return new PruningException(frozen.Count == 0
            ? "The model has no batch norm with running statistics, so there is nothing to recalibrate. Norms of other kinds compute their statistics from each input; frozen norms are constants."
            : $"All {frozen.Count} batch norms of the model are frozen (for instance '{frozen[0].Name}'): none of their parameters requires gradients. "
                + $"Set {nameof(RecalibrationOptions)}.{nameof(RecalibrationOptions.IncludeFrozen)} to recalibrate them nevertheless.");
    }

    private static TracedLayer? Norm(string name, nn.Module module) =>
        module is TorchSharp.Modules.BatchNorm && new LayerRules().Find(module) is { } rule ? new TracedLayer(name, module, rule, []) : null;

    // Everything that reads a changed input, directly or through other layers.
    private static HashSet<string> BehindChanges(DependencyGraph graph, PruningPlan plan)
    {
        var sources = new LayerSources(graph);
        var behind = new HashSet<string>(StringComparer.Ordinal);
        foreach (var layer in graph.Layers)
        {
            var planned = plan.Find(layer.Name)
                ?? throw new PruningException($"The plan does not name layer '{layer.Name}' of the graph. Give the plan that was made from this graph.");
            // A norm that loses channels of its own keeps the statistics of the others.
            if ((layer.Mapping != ChannelMapping.ChannelWise && planned.RemovedInputs.Count > 0) || sources.Of(layer).Any(behind.Contains))
                behind.Add(layer.Name);
        }

        return behind;
    }
}
