using FilterPruning.Graph;
using FilterPruning.Planning;

namespace FilterPruning.Recovery;

/// <summary>What every repair asks of its arguments.</summary>
internal static class RepairChecks
{
    /// <summary>Throws when a graph was traced from another model.</summary>
    public static void SameModel(nn.Module model, DependencyGraph graph)
    {
        if (!ReferenceEquals(model, graph.Model))
            throw new ArgumentException("The graph was traced from another model. Trace this model and plan again.", nameof(graph));
    }

    /// <summary>One action for each input.</summary>
    public static IReadOnlyList<Action> Forwards<TModel, TInput>(TModel model, IEnumerable<TInput> inputs, Func<TModel, TInput, object?> forward, string purpose)
    {
        Action[] forwards = [.. inputs.Select<TInput, Action>(input => () => forward(model, input))];
        return forwards.Length > 0 ? forwards : throw new ArgumentException($"There are no inputs to {purpose}; give at least one.", nameof(inputs));
    }

    /// <summary>The layers that lose inputs, and one action for each input, after everything has been checked.</summary>
    public static (IReadOnlyList<MaskedConsumer> Consumers, IReadOnlyList<Action> Forwards) Consumers<TModel, TInput>(
        TModel model, DependencyGraph graph, PruningPlan plan, IEnumerable<TInput> inputs, Func<TModel, TInput, object?> forward, string purpose)
        where TModel : nn.Module
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(graph);
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(inputs);
        ArgumentNullException.ThrowIfNull(forward);
        SameModel(model, graph);
        GraphChecks.ThrowIfStale(graph);
        return (MaskedConsumer.Of(graph, plan), Forwards(model, inputs, forward, purpose));
    }

    /// <summary>What a plan removes from a layer's input.</summary>
    /// <exception cref="PruningException">The plan was made for other widths, or does not know the layer.</exception>
    public static IReadOnlyList<int> RemovedInputs(TracedLayer layer, PruningPlan plan)
    {
        var planned = plan.Find(layer.Name);
        if (planned is null || planned.InputChannels != layer.InputChannels || planned.OutputChannels != layer.OutputChannels)
        {
            throw new PruningException(
                $"The plan does not fit the graph at '{layer.Name}': the model has {layer.InputChannels} -> {layer.OutputChannels} channels there, "
                + (planned is null ? "and the plan does not name it." : $"the plan was made for {planned.InputChannels} -> {planned.OutputChannels}.")
                + " Make a plan from this graph.");
        }

        return planned.RemovedInputs;
    }
}
