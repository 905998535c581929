using FilterPruning.Graph;
using FilterPruning.Layers;

namespace FilterPruning.Recovery;

/// <summary>Hooks that are removed together.</summary>
internal sealed class HookSet : IDisposable
{
    private readonly List<IDisposable> _hooks = [];

    /// <summary>Looks at the first tensor that goes into a layer.</summary>
    public void Before(TracedLayer layer, Action<Tensor> look) => _hooks.Add(layer.Rule.Watch(layer.Module, new CallWatcher(
        inputs =>
        {
            if (inputs.Count > 0 && inputs[0] is { } first)
                look(first);
            return inputs;
        }, null)));

    /// <summary>Looks at the first tensor that comes out of a layer.</summary>
    public void After(TracedLayer layer, Action<Tensor> look) => _hooks.Add(layer.Rule.Watch(layer.Module, new CallWatcher(null, (_, outputs) =>
    {
        if (outputs.Count > 0)
            look(outputs[0]);
        return outputs;
    })));

    public void Dispose() => _hooks.ForEach(hooks => hooks.Dispose());
}
