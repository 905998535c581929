using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Surgery;

namespace FilterPruning.Schedules;

/// <summary>Prunes a model in several steps with training between them.</summary>
/// <remarks>
/// <para>The model is traced anew before each step, and filters are scored with the weights they have then. Ratios and targets count from the model before
/// the first step, so that after n steps the total is that of the options.</para>
/// <para>All or nothing: when a callback, the metric or a step throws, or the run is cancelled, weights, buffers, gradients, widths, training flags and the state
/// of the given optimizers are as they were before the first step, bit by bit, whatever was trained in between. For that a copy of the model is kept, with a
/// <see cref="IterativeOptions.Guard"/> two. Torch's random state is not taken back.</para>
/// </remarks>
public static class IterativePruner
{
    /// <summary>Prunes a model that takes one tensor, in place.</summary>
    /// <param name="model">The trained model. Modules and parameters stay the same objects.</param>
    /// <param name="example">An input of the shape, type and device the model is used with; stays the caller's.</param>
    /// <param name="options">What to remove, and in which steps.</param>
    /// <param name="afterStep">Called after each cut: the place to train. It may change values, gradients, training flags and optimizers, but neither shapes nor parameter objects. May be null.</param>
    /// <param name="cancellation">Looked at before each step; the model is then as it was before the first.</param>
    /// <returns>What was done. Its plan is for the model before the first step.</returns>
    /// <exception cref="ArgumentException">Options that cannot be used; lists all of them.</exception>
    /// <exception cref="PruningException">A step cannot be made. The model is then as it was before the first.</exception>
    /// <exception cref="OperationCanceledException">The run was cancelled. The model is then as it was before the first step.</exception>
    public static IterativeResult Run(
        nn.Module<Tensor, Tensor> model, Tensor example, IterativeOptions options, Action<IterativeStep>? afterStep = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(example);
        return Run(trace => DependencyGraph.Trace(model, example, trace), options, afterStep, cancellation);
    }

    /// <summary>Prunes any model by a function that runs it, in place.</summary>
    /// <param name="model">The trained model. Modules and parameters stay the same objects.</param>
    /// <param name="forward">Runs the model on inputs of its own choice and returns everything the model answers.</param>
    /// <param name="options">What to remove, and in which steps.</param>
    /// <param name="afterStep">Called after each cut: the place to train. It may change values, gradients, training flags and optimizers, but neither shapes nor parameter objects. May be null.</param>
    /// <param name="cancellation">Looked at before each step; the model is then as it was before the first.</param>
    /// <returns>What was done. Its plan is for the model before the first step.</returns>
    /// <exception cref="ArgumentException">Options that cannot be used; lists all of them.</exception>
    /// <exception cref="PruningException">A step cannot be made. The model is then as it was before the first.</exception>
    /// <exception cref="OperationCanceledException">The run was cancelled. The model is then as it was before the first step.</exception>
    public static IterativeResult Run<TModel>(
        TModel model, Func<TModel, object?> forward, IterativeOptions options, Action<IterativeStep>? afterStep = null, CancellationToken cancellation = default)
        where TModel : nn.Module
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(forward);
        return Run(trace => DependencyGraph.Trace(model, forward, trace), options, afterStep, cancellation);
    }

    private static IterativeResult Run(Func<TraceOptions, DependencyGraph> trace, IterativeOptions options, Action<IterativeStep>? afterStep, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        new SurgeryOptions { Optimizers = options.Pruning.Optimizers }.Validate();
        cancellation.ThrowIfCancellationRequested();
        using var run = new IterativeRun(trace, options);
        try
        {
            return run.Complete(afterStep, cancellation);
        }
        catch
        {
            run.RestoreStart();
            throw;
        }
    }
}
