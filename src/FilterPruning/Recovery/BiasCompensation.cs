using FilterPruning.Graph;
using FilterPruning.Planning;

namespace FilterPruning.Recovery;

/// <summary>
/// The simplest repair without labels: the constant of every layer that loses inputs takes over the mean of what they added to its output.
/// </summary>
/// <remarks>
/// <para>
/// The mean is taken over all positions of all inputs, of the layer itself run on the removed channels alone, so that strides, blocks and padding count as they are: the constant is the best one in the
/// least-squares sense. Channels that are constant are made up for exactly where the kernel does not reach into padding; at a padded border, where fewer taps see the channel, one constant cannot
/// be right everywhere, and the mean over border and interior is used. The same goes for a transposed convolution with a stride, whose output places see different taps in turn.
/// </para>
/// <para>
/// Where a layer has no bias, the norm that follows it directly takes the constant (its running mean falls by it). Where there is neither, the layer is left as it will be cut, and the report says so.
/// </para>
/// <para>
/// The model keeps its width and the weights for removed channels become zero, so the plan can be cut afterwards as if nothing had happened (<see cref="Surgery.Surgeon"/> then proves equality with the
/// compensated model). Every layer's means are those of the dense model, so it costs one forward for each input. <see cref="LeastSquaresRepair"/> contains this as its intercept;
/// <see cref="MomentMatching"/> costs one more and is stronger.
/// </para>
/// </remarks>
public static class BiasCompensation
{
    /// <summary>Compensates in a model of one tensor in, anything out.</summary>
    /// <inheritdoc cref="Apply{TModel, TInput}"/>
    public static CompensationReport Apply(
        nn.Module<Tensor, Tensor> model, DependencyGraph graph, PruningPlan plan, IEnumerable<Tensor> inputs, CompensationOptions? options = null, CancellationToken cancellation = default) =>
        Apply(model, graph, plan, inputs, static (module, input) => module.call(input), options, cancellation);

    /// <summary>Compensates in any model.</summary>
    /// <param name="model">The traced model; changed in place.</param>
    /// <param name="graph">Its graph.</param>
    /// <param name="plan">What is going to be removed.</param>
    /// <param name="inputs">Unlabelled inputs, at least one, each a batch as the model takes it; not disposed.</param>
    /// <param name="forward">Runs the model on one input; called once for each.</param>
    /// <param name="options">Options; null for the defaults.</param>
    /// <param name="cancellation">Cancels between inputs; the model is then as it was.</param>
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
        var (consumers, forwards) = RepairChecks.Consumers(model, graph, plan, inputs, forward, "take means from");
        using var session = new CompensationSession(graph, consumers, forwards, matchMoments: false, options?.Progress);
        return session.Run(cancellation);
    }
}
