using FilterPruning.Graph;
using FilterPruning.Planning;

namespace FilterPruning.Criteria;

/// <summary>What a criterion may look at while it prepares. The library makes it: see <see cref="CriterionPreparation.Prepare"/>.</summary>
public sealed class CriterionContext
{
    internal CriterionContext(DependencyGraph graph, CancellationToken cancellationToken)
    {
        Graph = graph;
        CancellationToken = cancellationToken;
        Filters = [.. FilterScorer.Banks(graph).Select(entry => entry.Bank)];
    }

    /// <summary>The traced model's layers and channel groups.</summary>
    public DependencyGraph Graph { get; }

    /// <summary>The traced model; owned by the caller.</summary>
    public nn.Module Model => Graph.Model;

    /// <summary>The filters of every layer that has any, in data order: what will be scored.</summary>
    public IReadOnlyList<FilterBank> Filters { get; }

    /// <summary>Asks for an early end; looked at before each batch.</summary>
    public CancellationToken CancellationToken { get; }

    /// <summary>Runs every batch in evaluation mode, each with its own seed and in its own dispose scope.</summary>
    /// <param name="batches">What to run.</param>
    /// <param name="seed">The random state on the CPU before batch i depends on this and i alone. Other devices' random state is left to itself.</param>
    /// <param name="gradients">Whether operations record a history for derivatives.</param>
    /// <param name="look">Gets each batch's index and what <see cref="ICalibrationBatches.Run"/> returned, while everything made by the batch still lives.</param>
    /// <exception cref="PruningException">There is no batch, or one failed; the message says which.</exception>
    /// <exception cref="OperationCanceledException">The end was asked for.</exception>
    public void ForEachBatch(ICalibrationBatches batches, int seed, bool gradients, Action<int, Tensor?> look)
    {
        ArgumentNullException.ThrowIfNull(batches);
        ArgumentNullException.ThrowIfNull(look);
        if (batches.Count < 1)
            throw new PruningException($"The calibration data has {batches.Count} batches; at least one is needed.");
        using var mode = gradients ? enable_grad() : no_grad();
        for (var index = 0; index < batches.Count; index++)
        {
            CancellationToken.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            Model.eval();
            Seed(unchecked((seed * 1_000_003) + index));
            look(index, Run(batches, index));
        }
    }

    private static Tensor? Run(ICalibrationBatches batches, int index)
    {
        try
        {
            return batches.Run(index);
        }
        catch (Exception error) when (error is not (PruningException or OperationCanceledException))
        {
            throw new PruningException(
                $"Batch {index} of {batches.Count} of the calibration data failed: {error.Message.Split('\n')[0].TrimEnd('.', ' ', '\r')}. Run the model on it alone to find out why.", error);
        }
    }

    /// <summary>Seeds the CPU alone: the state of other devices could not be put back.</summary>
    private static void Seed(int seed)
    {
        using var generator = new Generator((ulong)(uint)seed, CPU);
        using var state = generator.get_state();
        set_rng_state(state);
    }
}
