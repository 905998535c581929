using FilterPruning.Proof;

namespace FilterPruning.Surgery;

/// <summary>A cut that was made and proved. Until it is disposed it holds the removed weights and a copy of the others, so that the cut can be undone, unless <see cref="SurgeryOptions.CanUndo"/> is false.</summary>
public sealed class CutResult : IDisposable
{
    private Snapshot? _snapshot;

    internal CutResult(EquivalenceProof proof, IReadOnlyList<LayerCut> cuts, Snapshot? snapshot)
    {
        Proof = proof;
        Cuts = cuts;
        _snapshot = snapshot;
        snapshot?.Seal();
    }

    /// <summary>The largest relative difference between the pruned model and its masked self.</summary>
    public double ProofError => Proof.Error;

    /// <summary>The proof, layer by layer.</summary>
    public EquivalenceProof Proof { get; }

    /// <summary>What was cut, layer by layer.</summary>
    internal IReadOnlyList<LayerCut> Cuts { get; }

    /// <summary>
    /// Makes up for an optimizer that was not given with the cut: cuts the averages it keeps for the parameters that shrank, as <see cref="SurgeryOptions.Optimizers"/>
    /// would have done. Averages that fit already are left alone, so that calling it twice does no harm. An undo does not bring them back.
    /// </summary>
    /// <param name="optimizer">An optimizer that has not stepped since the cut. After several cuts, call each result's in turn.</param>
    /// <exception cref="ArgumentException">An optimizer whose state is out of reach, such as <c>LBFGS</c>.</exception>
    /// <exception cref="PruningException">The optimizer keeps something that cannot be cut. It is then as it was.</exception>
    public void CutOptimizer(optim.Optimizer optimizer) => OptimizerMoments.CutLate(optimizer, Cuts);

    /// <summary>
    /// Gives the whole model back the weights, buffers, gradients and widths it had before the cut, and the optimizers that were given with the cut their averages
    /// and step counts, bit by bit, even after training went on; what was trained since is lost. Parameters stay the same objects. Learning rates and
    /// schedulers stay where they are now.
    /// </summary>
    /// <exception cref="InvalidOperationException">The cut was undone already, this object was disposed, <see cref="SurgeryOptions.CanUndo"/> was false, or the model runs on another thread (<see cref="ModelUse"/>).</exception>
    /// <exception cref="PruningException">The model was cut again since, or moved to another type or device; the message says what to do first.</exception>
    public void Undo()
    {
        var snapshot = _snapshot ?? throw new InvalidOperationException("There is nothing to undo: the cut was undone already, or its result was disposed. Keep the result to undo a cut, and leave SurgeryOptions.CanUndo at true.");
        using var alone = ModelUse.Change(snapshot.Model, "the undo of a cut");
        if (snapshot.ChangedSince() is { } changed)
        {
            throw new PruningException(
                $"Tensor '{changed}' is not what this cut left: the model was cut again, or its tensors were exchanged, for instance by a conversion to another type. "
                + "Undo later cuts first, and convert a model only when no cut is to be undone.");
        }

        using var scope = NewDisposeScope();
        snapshot.Restore();
        Dispose();
    }

    /// <summary>Lets go of what it holds; the cut can no longer be undone.</summary>
    public void Dispose()
    {
        _snapshot?.Dispose();
        _snapshot = null;
    }
}
