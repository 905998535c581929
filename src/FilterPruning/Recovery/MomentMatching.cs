using FilterPruning.Graph;
using FilterPruning.Planning;

namespace FilterPruning.Recovery;

/// <summary>
/// A cheap repair without labels: every output channel of a layer that loses inputs is scaled and shifted so that on unlabelled inputs it has the mean and the variance that it has in the dense model.
/// </summary>
/// <remarks>
/// <para>
/// A network that loses channels loses variance from layer to layer until its answers are nearly constant; means alone do not help against that (see <see cref="BiasCompensation"/>). Layers are taken in data
/// order, each on what the already matched layers before it deliver: two numbers per output channel, in closed form. This is REPAIR (Jordan, Sedghi, Saukh, Entezari and Neyshabur, ICLR 2023), made for
/// merged networks, without its extra norms: the scale goes into the weights, the shift into the bias or into the running mean of the norm that follows directly. Layers with neither are left as they will be cut.
/// </para>
/// <para>
/// <see cref="LeastSquaresRepair"/> is better where inputs are plenty: it lets kept channels stand in for removed ones. The model keeps its width and weights for removed channels become zero, so the plan
/// can be cut afterwards and proved as if nothing had happened.
/// </para>
/// </remarks>
public static class MomentMatching
{
    /// <summary>Matches in a model of one tensor in, anything out.</summary>
    /// <inheritdoc cref="Apply{TModel, TInput}"/>
    public static CompensationReport Apply(
        nn.Module<Tensor, Tensor> model, DependencyGraph graph, PruningPlan plan, IEnumerable<Tensor> inputs, CompensationOptions? options = null, CancellationToken cancellation = default) =>
        Apply(model, graph, plan, inputs, static (module, input) => module.call(input), options, cancellation);

    /// <summary>Matches in any model.</summary>
    /// <param name="model">The traced model; changed in place.</param>
    /// <param name="graph">Its graph.</param>
    /// <param name="plan">What is going to be removed.</param>
    /// <param name="inputs">Unlabelled inputs, at least one, each a batch as the model takes it; not disposed.</param>
    /// <param name="forward">
    /// Runs the model on one input; called twice for each, then on other threads of which one runs at a time, and more often for layers that are called more than once.
    /// </param>
    /// <param name="options">Options; null for the defaults.</param>
    /// <param name="cancellation">Cancels between layers and inputs; the model is then as it was.</param>
    /// <exception cref="ArgumentException">There are no inputs, or the graph is of another model.</exception>
    /// <exception cref="PruningException">The plan does not fit the graph, or the graph does not fit the model any more.</exception>
    public static CompensationReport Apply<TModel, TInput>(
        TModel model,
        DependencyGraph graph,
        PruningPlan plan,
        IEnumerable<TInput> inputs,
        Func<TModel, TInput, object?> forward,
        CompensationOptions? options = null,
        CancellationToken cancellation = default)
        where TModel : nn.Module
    {
        var (consumers, forwards) = RepairChecks.Consumers(model, graph, plan, inputs, forward, "take moments from");
        using var session = new CompensationSession(graph, consumers, forwards, matchMoments: true, options?.Progress);
        return session.Run(cancellation);
    }
}
