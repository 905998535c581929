using FilterPruning.Graph;
using FilterPruning.Layers;

namespace FilterPruning.Tracing;

/// <summary>A tensor that went into a recorded call, with its history.</summary>
internal sealed record RecordedInput(TensorPort Port, Tensor Tensor);

/// <summary>A leaf that stood in for one of a recorded call's outputs.</summary>
internal sealed record RecordedPort(RecordedCall Call, TensorPort Port, Tensor Leaf);

/// <summary>What one call of a layer took and gave in one recorded forward.</summary>
internal sealed class RecordedCall(LayerNode layer, int ordinal, int portsBefore, long[] inputShape)
{
    public LayerNode Layer { get; } = layer;

    /// <summary>The how-manieth call of this layer, from 0.</summary>
    public int Ordinal { get; } = ordinal;

    /// <summary>How many ports existed when the layer was called; only those can have reached it.</summary>
    public int PortsBefore { get; } = portsBefore;

    /// <summary>Shape of the first tensor that went in; empty when none did.</summary>
    public long[] InputShape { get; } = inputShape;

    /// <summary>Shape of the first tensor that came out.</summary>
    public long[] OutputShape { get; set; } = [];

    /// <summary>Copies of the inputs that hold channels, with their history; none in a plain recording.</summary>
    public List<RecordedInput> Inputs { get; } = [];

    /// <summary>The leaves that stood in for outputs; none in a plain recording.</summary>
    public List<RecordedPort> Ports { get; } = [];
}

/// <summary>
/// One forward under hooks. With port values, every layer's output is replaced by a port, a leaf that requires gradients, so that the
/// functional code between layers falls apart into segments that can be differentiated one by one.
/// </summary>
internal sealed class Recording : IDisposable
{
    private readonly List<RecordedCall> _calls = [];
    private readonly List<RecordedPort> _ports = [];
    private readonly List<IDisposable> _hooks = [];
    private readonly Stack<RecordedCall> _open = new();
    private readonly Dictionary<LayerNode, int> _callCounts = [];
    private readonly PortValues? _values;

    /// <param name="nodes">The layers to hook.</param>
    /// <param name="values">What ports hold, or null to record shapes alone and change nothing.</param>
    public Recording(IReadOnlyList<LayerNode> nodes, PortValues? values)
    {
        _values = values;
        foreach (var node in nodes)
            _hooks.Add(node.Rule.Watch(node.Module, new CallWatcher(inputs => Before(node, inputs), (_, outputs) => After(outputs))));
    }

    /// <summary>Every completed or begun call, in order.</summary>
    public IReadOnlyList<RecordedCall> Calls => _calls;

    /// <summary>All ports, in order.</summary>
    public IReadOnlyList<RecordedPort> Ports => _ports;

    public void Dispose()
    {
        foreach (var hooks in _hooks) hooks.Dispose();
        foreach (var call in _calls)
        {
            foreach (var input in call.Inputs) input.Tensor.Dispose();
            foreach (var port in call.Ports) port.Leaf.Dispose();
        }
    }

    private IReadOnlyList<Tensor?> Before(LayerNode node, IReadOnlyList<Tensor?> inputs)
    {
        var ordinal = _callCounts.GetValueOrDefault(node);
        _callCounts[node] = ordinal + 1;
        var call = new RecordedCall(node, ordinal, _ports.Count, inputs.Count > 0 && inputs[0] is { } first ? first.shape : []);
        _calls.Add(call);
        _open.Push(call);
        if (_values is null) return inputs;

        if (is_inference_mode_enabled())
            throw new PruningException($"The model calls '{node.Name}' in inference mode, which records no derivatives and cannot be switched. Use torch.no_grad() in its forward instead.");
        // A model may run under no_grad; switching here lasts until its own guard ends, which then restores what it found.
        set_grad_enabled(true);
        foreach (var port in node.Rule.InputPorts(node.Module, inputs))
        {
            // A copy, for in-place code (ReLU) may write into the input later.
            if (inputs[port.Index] is not { } input || !input.is_floating_point()) continue;
            CheckWidth(node, port, input, "input");
            call.Inputs.Add(new RecordedInput(port, input.clone().DetachFromDisposeScope()));
        }
        // What happens inside the layer is its rule's business: no history for it.
        set_grad_enabled(false);
        return inputs;
    }

    /// <summary>A rule that counts channels wrongly, or looks for them along the wrong axis, is told so where it shows first.</summary>
    private static void CheckWidth(LayerNode node, TensorPort port, Tensor value, string what)
    {
        var channels = port.Count ?? (port.Side == ChannelAxis.Input ? node.Inputs : node.Outputs) - port.Offset;
        if (port.Axis >= 0 && port.Axis < value.dim() && value.shape[port.Axis] == channels) return;
        throw new PruningException(
            $"The rule {node.Rule.Kind} says that the {what} of layer '{node.Name}' has {channels} channels along axis {port.Axis}, but its shape is [{string.Join(", ", value.shape)}]. Correct the rule's channel count or axis.");
    }

    private IReadOnlyList<Tensor> After(IReadOnlyList<Tensor> outputs)
    {
        var call = _open.Pop();
        call.OutputShape = outputs.Count > 0 ? outputs[0].shape : [];
        if (_values is null) return outputs;

        set_grad_enabled(true);
        var handed = outputs.ToArray();
        foreach (var port in call.Layer.Rule.OutputPorts(call.Layer.Module, outputs))
        {
            var output = outputs[port.Index];
            if (!output.is_floating_point()) continue;
            CheckWidth(call.Layer, port, output, "output");
            // The leaf is outside the model's own scopes, which must not end its life.
            var (leaf, stand) = _values.Make(call.Layer, output, port);
            var recorded = new RecordedPort(call, port, leaf);
            call.Ports.Add(recorded);
            _ports.Add(recorded);
            handed[port.Index] = stand;
        }
        return handed;
    }
}
