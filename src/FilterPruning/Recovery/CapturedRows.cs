using FilterPruning.Graph;

namespace FilterPruning.Recovery;

/// <summary>Sampled rows of the inputs of several layers, in the order they were drawn. Owns its tensors.</summary>
internal sealed class CapturedRows(IEnumerable<TracedLayer> layers) : IDisposable
{
    private readonly Dictionary<TracedLayer, List<Tensor>> _rows = layers.ToDictionary(layer => layer, _ => new List<Tensor>());

    /// <summary>Takes ownership of rows.</summary>
    public void Add(TracedLayer layer, Tensor rows) => _rows[layer].Add(rows.DetachFromDisposeScope());

    /// <summary>The rows of a layer, one tensor <c>[rows, units]</c> a call; owned by this object.</summary>
    public IReadOnlyList<Tensor> Of(TracedLayer layer) => _rows[layer];

    /// <summary>Frees a layer's rows.</summary>
    public void Release(TracedLayer layer)
    {
        _rows[layer].ForEach(rows => rows.Dispose());
        _rows[layer].Clear();
    }

    public void Dispose()
    {
        foreach (var layer in _rows.Keys)
            Release(layer);
    }
}
