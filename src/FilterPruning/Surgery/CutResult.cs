using FilterPruning.Proof;

namespace FilterPruning.Surgery;

/// <summary>A cut that was made and proved. Holds the removed weights until it is disposed, so that the cut can be undone.</summary>
public sealed class CutResult : IDisposable
{
    private readonly IReadOnlyList<LayerCut> _cuts;
    private Snapshot? _snapshot;

    internal CutResult(EquivalenceProof proof, IReadOnlyList<LayerCut> cuts, Snapshot snapshot)
    {
        Proof = proof;
        _cuts = cuts;
        _snapshot = snapshot;
    }

    /// <summary>The largest relative difference between the pruned model and its masked self.</summary>
    public double ProofError => Proof.Error;

    /// <summary>The proof, layer by layer.</summary>
    public EquivalenceProof Proof { get; }

    /// <summary>
    /// Gives the model back the weights, statistics, gradients and widths it had before the cut, bit by bit; what was trained since is lost in the
    /// layers that were cut. Parameters stay the same objects.
    /// </summary>
    /// <exception cref="InvalidOperationException">The cut was undone already, or this object was disposed.</exception>
    /// <exception cref="PruningException">The model was cut again since; undo the later cut first.</exception>
    public void Undo()
    {
        var snapshot = _snapshot ?? throw new InvalidOperationException("There is nothing to undo: the cut was undone already, or its result was disposed. Keep the result to undo a cut.");
        var changed = _cuts.FirstOrDefault(cut =>
            cut.Layer.Rule.InputChannels(cut.Layer.Module) != cut.Plan.KeptInputs || cut.Layer.Rule.OutputChannels(cut.Layer.Module) != cut.Plan.KeptOutputs);
        if (changed is not null)
            throw new PruningException($"Layer '{changed.Layer.Name}' has other widths than this cut left it with. Undo later cuts first.");
        snapshot.Restore();
        Dispose();
    }

    /// <summary>Lets go of the removed weights; the cut can no longer be undone.</summary>
    public void Dispose()
    {
        _snapshot?.Dispose();
        _snapshot = null;
    }
}
