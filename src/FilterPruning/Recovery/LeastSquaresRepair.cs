using FilterPruning.Graph;
using FilterPruning.Layers;
using FilterPruning.Planning;

namespace FilterPruning.Recovery;

/// <summary>
/// Repair without labels: before a plan is cut, every layer that loses inputs is refitted so that its output from the channels it keeps
/// comes closest to its output from all of them, on a few unlabelled inputs.
/// </summary>
/// <remarks>
/// <para>
/// Layers are fitted in data order, each on what the already pruned and repaired layers before it deliver, against what the dense model
/// delivers: the scheme of He, Zhang and Sun, "Channel Pruning for Accelerating Very Deep Neural Networks" (ICCV 2017), section 3.1, with a
/// ridge chosen on held-out rows, in closed form on Gram matrices, with an intercept: first by a map of channels, then (see <see cref="RepairOptions"/>) on whole patches.
/// </para>
/// <para>
/// The model keeps its width: consumers' weights for removed channels become zero and the others take over, so the plan can be cut
/// afterwards as if nothing had happened (<see cref="Surgery.Surgeon"/> then proves equality with the repaired model). Both the dense and
/// the changed model must see the same rows: a forward that picks other regions once values change must be given one that does not.
/// </para>
/// </remarks>
public static class LeastSquaresRepair
{
    /// <summary>Repairs a model of one tensor in, anything out.</summary>
    /// <param name="model">The traced model; changed in place.</param>
    /// <param name="graph">Its graph.</param>
    /// <param name="plan">What is going to be removed.</param>
    /// <param name="inputs">Unlabelled inputs, at least one, each a batch as the model takes it; not disposed.</param>
    /// <param name="options">Options; null for the defaults.</param>
    /// <param name="cancellation">Cancels between layers; the model is then as it was.</param>
    /// <exception cref="PruningException">The plan does not fit the graph, or the rows of the two models differ.</exception>
    public static RepairReport Apply(
        nn.Module<Tensor, Tensor> model, DependencyGraph graph, PruningPlan plan, IEnumerable<Tensor> inputs, RepairOptions? options = null, CancellationToken cancellation = default) =>
        Apply(model, graph, plan, inputs, static (module, input) => module.call(input), options, cancellation);

    /// <summary>Repairs any model.</summary>
    /// <param name="model">The traced model; changed in place.</param>
    /// <param name="graph">Its graph.</param>
    /// <param name="plan">What is going to be removed.</param>
    /// <param name="inputs">Unlabelled inputs, at least one; not disposed.</param>
    /// <param name="forward">Runs the model on one input; called about twice for each, also on other threads, of which one runs at a time.</param>
    /// <param name="options">Options; null for the defaults.</param>
    /// <param name="cancellation">Cancels between layers; the model is then as it was.</param>
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
        options ??= new RepairOptions();
        options.Validate();
        using var sample = CalibrationSample.Collect(model, graph, inputs, forward, new CalibrationOptions { Rows = options.Rows, Seed = options.Seed }, cancellation);
        return Apply(model, sample, plan, options, cancellation);
    }

    /// <summary>Repairs a model from what was collected of it before; for several plans of one model, each after the model was brought back.</summary>
    /// <param name="model">The traced model, dense; changed in place.</param>
    /// <param name="sample">What was collected of it. It decides on rows and seed; the options' are not used.</param>
    /// <param name="plan">What is going to be removed.</param>
    /// <param name="options">Options; null for the defaults.</param>
    /// <param name="cancellation">Cancels between layers; the model is then as it was.</param>
    /// <exception cref="PruningException">The plan does not fit the graph, or the rows of the two models differ.</exception>
    public static RepairReport Apply<TModel>(TModel model, CalibrationSample sample, PruningPlan plan, RepairOptions? options = null, CancellationToken cancellation = default)
        where TModel : nn.Module
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(sample);
        ArgumentNullException.ThrowIfNull(plan);
        options ??= new RepairOptions();
        options.Validate();
        if (!ReferenceEquals(model, sample.Graph.Model))
            throw new ArgumentException("The sample was collected from another model. Collect one from this model.", nameof(sample));
        using var session = new RepairSession(sample, plan, options);
        return session.Run(cancellation);
    }
}
