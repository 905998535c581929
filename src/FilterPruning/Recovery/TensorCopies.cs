namespace FilterPruning.Recovery;

/// <summary>Copies of tensors that are about to change, and the way back. Owns the copies.</summary>
internal sealed class TensorCopies : IDisposable
{
    private readonly List<(Tensor Live, Tensor Copy)> _copies = [];

    /// <summary>Copies a tensor as it is now; the first copy of a tensor is the one that counts.</summary>
    public void Remember(Tensor live)
    {
        using var alias = live.detach();
        _copies.Add((live, alias.clone().DetachFromDisposeScope()));
    }

    /// <summary>Gives every tensor its values back.</summary>
    public void Restore()
    {
        using var noGrad = no_grad();
        foreach (var (live, copy) in Enumerable.Reverse(_copies))
            live.copy_(copy);
    }

    public void Dispose()
    {
        foreach (var (_, copy) in _copies)
            copy.Dispose();
        _copies.Clear();
    }
}
