namespace FilterPruning.Tracing;

/// <summary>What one call of a layer took and gave in one recorded forward.</summary>
internal sealed class RecordedCall(LayerNode layer, int ordinal, int portsBefore, long[] inputShape)
{
    public LayerNode Layer { get; } = layer;

    /// <summary>The how-manieth call of this layer, from 0.</summary>
    public int Ordinal { get; } = ordinal;

    /// <summary>How many ports existed when the layer was called; only those can have reached it.</summary>
    public int PortsBefore { get; } = portsBefore;

    public long[] InputShape { get; } = inputShape;

    public long[] OutputShape { get; set; } = [];

    /// <summary>A copy of the input with its history; null in a plain recording or when the input holds no floating-point numbers.</summary>
    public Tensor? Input { get; set; }

    /// <summary>The leaf that stood in for the output; null in a plain recording.</summary>
    public Tensor? Port { get; set; }
}

/// <summary>
/// One forward under hooks. With port values, every layer's output is replaced by a port, a leaf that requires gradients, so that the
/// functional code between layers falls apart into segments that can be differentiated one by one.
/// </summary>
internal sealed class Recording : IDisposable
{
    private readonly List<RecordedCall> _calls = [];
    private readonly List<RecordedCall> _ports = [];
    private readonly List<Action> _removers = [];
    private readonly Stack<RecordedCall> _open = new();
    private readonly Dictionary<LayerNode, int> _callCounts = [];
    private readonly PortValues? _values;

    /// <param name="nodes">The layers to hook.</param>
    /// <param name="values">What ports hold, or null to record shapes alone and change nothing.</param>
    public Recording(IReadOnlyList<LayerNode> nodes, PortValues? values)
    {
        _values = values;
        foreach (var node in nodes)
        {
            var before = node.Module.register_forward_pre_hook((_, input) => Before(node, input));
            _removers.Add(before.remove);
            var after = node.Module.register_forward_hook((_, _, output) => After(output));
            _removers.Add(after.remove);
        }
    }

    /// <summary>Every completed or begun call, in order.</summary>
    public IReadOnlyList<RecordedCall> Calls => _calls;

    /// <summary>The calls that have a port, in the order of their ports.</summary>
    public IReadOnlyList<RecordedCall> Ports => _ports;

    public void Dispose()
    {
        foreach (var remove in _removers) remove();
        foreach (var call in _calls)
        {
            call.Input?.Dispose();
            call.Port?.Dispose();
        }
    }

    private Tensor Before(LayerNode node, Tensor input)
    {
        var ordinal = _callCounts.GetValueOrDefault(node);
        _callCounts[node] = ordinal + 1;
        var call = new RecordedCall(node, ordinal, _ports.Count, input.shape);
        _calls.Add(call);
        _open.Push(call);
        if (_values is null) return input;

        // A model may run under no_grad; switching here lasts until its own guard ends, which then restores what it found.
        set_grad_enabled(true);
        // A copy, for in-place code (ReLU) may write into the input later.
        if (input.is_floating_point()) call.Input = input.clone().DetachFromDisposeScope();
        // What happens inside the layer is its rule's business: no history for it.
        set_grad_enabled(false);
        return input;
    }

    private Tensor After(Tensor output)
    {
        var call = _open.Pop();
        call.OutputShape = output.shape;
        if (_values is null) return output;

        set_grad_enabled(true);
        if (!output.is_floating_point()) return output;
        // The leaf is outside the model's own scopes, which must not end its life.
        var (leaf, handed) = _values.Make(output, call.Layer.Rule.OutputAxis(call.Layer.Module, output));
        call.Port = leaf;
        _ports.Add(call);
        return handed;
    }
}
