using FilterPruning.Graph;

namespace FilterPruning.Proof;

/// <summary>Hooks on every traced layer for the time of one forward.</summary>
internal sealed class LayerHooks : IDisposable
{
    private readonly List<Action> _remove = [];

    /// <param name="graph">The traced layers.</param>
    /// <param name="onOutput">Gets the layer's index in the graph and its output; what it returns is handed on in its place.</param>
    public LayerHooks(DependencyGraph graph, Func<int, Tensor, Tensor> onOutput)
    {
        for (var i = 0; i < graph.Layers.Count; i++)
        {
            var index = i;
            if (graph.Layers[i].Module is not nn.Module<Tensor, Tensor> module)
                continue;
            var hook = module.register_forward_hook((_, _, output) => onOutput(index, output));
            _remove.Add(hook.remove);
        }
    }

    public void Dispose()
    {
        foreach (var remove in _remove)
            remove();
        _remove.Clear();
    }
}
