using FilterPruning.Graph;
using FilterPruning.Planning;

namespace FilterPruning.Recovery;

/// <summary>
/// Repair for when there is not a single image: <see cref="LeastSquaresRepair"/> on made-up inputs, while every norm normalises by the statistics of those inputs and not by its own.
/// </summary>
/// <remarks>
/// <para>
/// A norm that learnt on real images would send made-up ones somewhere the rest of the model has never been. So each norm's running mean and variance are first computed anew on the made-up inputs, frozen
/// norms included, in data order: then its output has, on them, the mean and the variance that it has on real images, namely its bias and its weight. The repair is fitted in that model, and afterwards every
/// norm gets its own statistics back, less the constants that the repair put there.
/// </para>
/// <para>
/// What the inputs look like matters most: see <see cref="SyntheticImages"/>, and docs/repair.md for what was measured. The model keeps its width, as after every repair, and the plan can be cut and proved.
/// </para>
/// </remarks>
public static class DataFreeRepair
{
    /// <summary>Repairs a model of one tensor in, anything out.</summary>
    /// <inheritdoc cref="Apply{TModel, TInput}"/>
    public static RepairReport Apply(
        nn.Module<Tensor, Tensor> model, DependencyGraph graph, PruningPlan plan, IEnumerable<Tensor> inputs, RepairOptions? options = null, CancellationToken cancellation = default) =>
        Apply(model, graph, plan, inputs, static (module, input) => module.call(input), options, cancellation);

    /// <summary>Repairs any model.</summary>
    /// <param name="model">The traced model; changed in place.</param>
    /// <param name="graph">Its graph.</param>
    /// <param name="plan">What is going to be removed.</param>
    /// <param name="inputs">
    /// Made-up inputs, at least one, each a batch as the model takes it, with the mean and the scale that it is used to: for images <see cref="SyntheticImages"/>. Not disposed.
    /// </param>
    /// <param name="forward">Runs the model on one input; called several times for each, also on other threads of which one runs at a time.</param>
    /// <param name="options">Options of the fit; null for the defaults.</param>
    /// <param name="cancellation">Cancels between layers; the model is then as it was.</param>
    /// <exception cref="ArgumentException">There are no inputs, or the graph is of another model.</exception>
    /// <exception cref="PruningException">The plan does not fit the graph, or the rows of the two models differ.</exception>
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
