using FilterPruning.Graph;
using FilterPruning.Layers;

namespace FilterPruning.Proof;

/// <summary>Hooks on every traced layer for the time of one forward.</summary>
internal sealed class LayerHooks : IDisposable
{
    private readonly List<IDisposable> _hooks = [];

    /// <param name="graph">The traced layers.</param>
    /// <param name="onCall">Gets the layer's index in the graph, what went in and what came out; what it returns is handed on instead.</param>
    /// <param name="before">Gives, for a layer, what exchanges that which goes in; null for nothing.</param>
    public LayerHooks(
        DependencyGraph graph, Func<int, IReadOnlyList<Tensor?>, IReadOnlyList<Tensor>, IReadOnlyList<Tensor>> onCall,
        Func<int, Func<IReadOnlyList<Tensor?>, IReadOnlyList<Tensor?>>?>? before = null)
    {
        for (var i = 0; i < graph.Layers.Count; i++)
        {
            var index = i;
            var layer = graph.Layers[i];
            _hooks.Add(layer.Rule.Watch(layer.Module, new CallWatcher(before?.Invoke(index), (inputs, outputs) => onCall(index, inputs, outputs))));
        }
    }

    public void Dispose()
    {
        foreach (var hooks in _hooks)
            hooks.Dispose();
        _hooks.Clear();
    }
}
