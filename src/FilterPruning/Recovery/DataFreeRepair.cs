using FilterPruning.Graph;
using FilterPruning.Planning;

namespace FilterPruning.Recovery;

/// <summary>Repair for when there is not a single image: least squares on made-up inputs, on which every norm is made to see its own statistics.</summary>
public static class DataFreeRepair
{
    /// <summary>Repairs a model of one tensor in, anything out.</summary>
    /// <inheritdoc cref="Apply{TModel, TInput}"/>
    public static RepairReport Apply(
        nn.Module<Tensor, Tensor> model, DependencyGraph graph, PruningPlan plan, IEnumerable<Tensor> inputs, RepairOptions? options = null, CancellationToken cancellation = default) =>
        Apply(model, graph, plan, inputs, static (module, input) => module.call(input), options, cancellation);

    /// <summary>Repairs any model from made-up inputs.</summary>
    public static RepairReport Apply<TModel, TInput>(
        TModel model,
        DependencyGraph graph,
        PruningPlan plan,
        IEnumerable<TInput> inputs,
        Func<TModel, TInput, object?> forward,
        RepairOptions? options = null,
        CancellationToken cancellation = default)
        where TModel : nn.Module
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(graph);
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(inputs);
        ArgumentNullException.ThrowIfNull(forward);
        RepairChecks.SameModel(model, graph);
        GraphChecks.ThrowIfStale(graph);
        TInput[] given = [.. inputs];
        using var statistics = new BorrowedStatistics(graph, RepairChecks.Forwards(model, given, forward, "repair from"), cancellation);
        var finished = false;
        try
        {
            var report = LeastSquaresRepair.Apply(model, graph, plan, given, forward, options, cancellation);
            statistics.GiveBack();
            finished = true;
            return report;
        }
        finally
        {
            if (!finished)
                statistics.Restore();
        }
    }
}
