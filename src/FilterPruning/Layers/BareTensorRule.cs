using System.Globalization;

namespace FilterPruning.Layers;

/// <summary>
/// A parameter or buffer that a module without a rule holds itself (a layer scale, a position embedding, the statistics of a hand-written norm), with the axis along which the tracer found
/// channels. Made by the tracer; not part of <see cref="LayerRules.BuiltIn"/>.
/// </summary>
/// <remarks>It makes channels and reads none. Zeros hide its share of a channel, hence its axis counts as read.</remarks>
internal sealed class BareTensorRule(string name, int axis, bool isBuffer) : LayerRule
{
    private const string ParameterKind = "Parameter";
    private const string BufferKind = "Buffer";

    /// <summary>The tensor's name within its module.</summary>
    public string Name { get; } = name;

    /// <summary>The axis of its channels.</summary>
    public int Axis { get; } = axis;

    /// <summary>Kind and axis in one word, so that a plan alone says how the tensor shrinks: <c>Parameter:2</c>.</summary>
    public override string Kind { get; } = string.Create(CultureInfo.InvariantCulture, $"{(isBuffer ? BufferKind : ParameterKind)}:{axis}");

    /// <summary>The rule that a plan's kind stands for, or null when it is no bare tensor.</summary>
    public static BareTensorRule? FromKind(string kind, string name)
    {
        var parts = kind.Split(':');
        return parts.Length == 2 && parts[0] is ParameterKind or BufferKind && int.TryParse(parts[^1], NumberStyles.None, CultureInfo.InvariantCulture, out var axis)
            ? new BareTensorRule(name, axis, parts[0] == BufferKind) : null;
    }

    public override bool Handles(nn.Module module) => Find(module) is not null;

    public override int InputChannels(nn.Module module) => 0;

    public override int OutputChannels(nn.Module module) => (int)Tensor(module).shape[Axis];

    public override int InputAxis(nn.Module module, Tensor input) => Axis;

    public override int OutputAxis(nn.Module module, Tensor output) => Axis;

    public override IReadOnlyList<ChannelTensor> Tensors(nn.Module module) =>
        [new ChannelTensor(Name, Tensor(module), [new TensorAxis(Axis, Graph.ChannelAxis.Output) { Reads = true }], isBuffer ? TensorRole.Statistic : TensorRole.Weight)];

    public override void SetWidths(nn.Module module, int inputChannels, int outputChannels)
    {
        // The tensor's shape is all there is.
    }

    public override IDisposable Watch(nn.Module module, CallWatcher watcher) => Nothing.Instance;

    private Tensor Tensor(nn.Module module) =>
        Find(module) ?? throw new PruningException($"{module.GetName()} has no parameter or buffer '{Name}' any more. Trace the model again.");

    private Tensor? Find(nn.Module module)
    {
        foreach (var (name, parameter) in module.named_parameters(recurse: false))
            if (name == Name) return parameter;
        foreach (var (name, buffer) in module.named_buffers(recurse: false))
            if (name == Name) return buffer;
        return null;
    }

    private sealed class Nothing : IDisposable
    {
        public static Nothing Instance { get; } = new();

        public void Dispose()
        {
        }
    }
}
