using FilterPruning.Graph;

namespace FilterPruning.Recovery;

/// <summary>Hooks that are removed together.</summary>
internal sealed class HookSet : IDisposable
{
    private readonly List<Action> _removers = [];

    /// <summary>Looks at what goes into a layer.</summary>
    public void Before(TracedLayer layer, Action<Tensor> look)
    {
        var hook = Module(layer).register_forward_pre_hook((_, input) =>
        {
            look(input);
            return input;
        });
        _removers.Add(hook.remove);
    }

    /// <summary>Looks at what comes out of a layer.</summary>
    public void After(TracedLayer layer, Action<Tensor> look)
    {
        var hook = Module(layer).register_forward_hook((_, _, output) =>
        {
            look(output);
            return output;
        });
        _removers.Add(hook.remove);
    }

    public void Dispose() => _removers.ForEach(remove => remove());

    private static nn.Module<Tensor, Tensor> Module(TracedLayer layer) => (nn.Module<Tensor, Tensor>)layer.Module;
}
