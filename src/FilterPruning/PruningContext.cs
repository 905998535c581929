using FilterPruning.Graph;
using Microsoft.Extensions.Logging;

namespace FilterPruning;

/// <summary>What surrounds a call of <see cref="Pruner"/> in an application: logging, progress, cancellation, and how the model is traced. Immutable; the defaults do nothing.</summary>
/// <remarks>The same context may serve several calls, one after the other or at once, if its members allow it.</remarks>
public sealed record PruningContext
{
    /// <summary>Gets a line per stage, with the event ids of <see cref="PruningEvents"/>. Default null: silence.</summary>
    public ILogger? Logger { get; init; }

    /// <summary>
    /// Is told about each step, on the calling thread. What it throws ends the call like a cancellation. Default null. (<see cref="Progress{T}"/> hands the news on to
    /// another thread and may come too late to cancel the step it speaks of.)
    /// </summary>
    public IProgress<PruningProgress>? Progress { get; init; }

    /// <summary>
    /// Looked at before each step and before each forward. A cancelled call throws <see cref="OperationCanceledException"/> and leaves the model and the
    /// optimizers as they were; once <see cref="PruningStage.Report"/> is reached, the call completes. Default: never cancelled.
    /// </summary>
    public CancellationToken CancellationToken { get; init; }

    /// <summary>How the model is traced: rules for layer types of your own, the seed. Default: the defaults of <see cref="TraceOptions"/>.</summary>
    public TraceOptions Trace { get; init; } = new();

    /// <summary>Runs a forward, unless the call was cancelled.</summary>
    internal object? Forward(Func<object?> run)
    {
        CancellationToken.ThrowIfCancellationRequested();
        return run();
    }

    /// <summary>Reports a step, unless the call was cancelled.</summary>
    internal void Step(PruningStage stage, int done, int total)
    {
        CancellationToken.ThrowIfCancellationRequested();
        Progress?.Report(new PruningProgress(stage, done, total));
        CancellationToken.ThrowIfCancellationRequested();
    }
}
