namespace FilterPruning.Surgery;

/// <summary>
/// What a tensor lost, axis by axis. Together with the narrowed tensor it is the whole one again, so that a cut can be taken back without the whole tensor being held beside the narrowed one.
/// </summary>
internal sealed class RemovedParts : IDisposable
{
    private readonly List<(ChannelPositions Positions, Tensor Removed)> _parts = [];

    /// <summary>Narrows a tensor in place, axis by axis, and keeps what goes. At no time is there more beside the tensor than one copy of it.</summary>
    public void Narrow(TensorCut cut)
    {
        using var scope = NewDisposeScope();
        foreach (var positions in cut.Axes)
        {
            var whole = cut.Tensor.detach();
            var removed = whole.index_select(positions.Axis, tensor(positions.Removed, device: whole.device));
            var kept = whole.index_select(positions.Axis, tensor(positions.Kept, device: whole.device));
            Snapshot.Exchange(cut.Tensor, kept);
            _parts.Add((positions, removed.DetachFromDisposeScope()));
            whole.Dispose();
            kept.Dispose();
        }
    }

    /// <summary>The whole tensor, from its narrowed rest; owned by the caller.</summary>
    public Tensor Join(Tensor narrowed)
    {
        using var scope = NewDisposeScope();
        var whole = narrowed.detach();
        foreach (var (positions, removed) in Enumerable.Reverse(_parts))
        {
            var shape = whole.shape;
            shape[positions.Axis] += removed.shape[positions.Axis];
            whole = empty(shape, dtype: whole.dtype, device: whole.device)
                .index_copy_(positions.Axis, tensor(positions.Kept, device: whole.device), whole)
                .index_copy_(positions.Axis, tensor(positions.Removed, device: whole.device), removed);
        }

        return whole.MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        foreach (var (_, removed) in _parts)
            removed.Dispose();
        _parts.Clear();
    }
}
