using FilterPruning.Graph;
using FilterPruning.Layers;
using FilterPruning.Planning;

namespace FilterPruning.Surgery;

/// <summary>What happens to one layer: its tensors with the positions that stay and go.</summary>
internal sealed class LayerCut
{
    private readonly Dictionary<(TensorPort Port, long Length), (long[] Kept, long[] Removed)> _positions = [];

    private LayerCut(TracedLayer layer, LayerPlan plan, IReadOnlyList<TensorCut> tensors)
    {
        Layer = layer;
        Plan = plan;
        Tensors = tensors;
    }

    public TracedLayer Layer { get; }

    public LayerPlan Plan { get; }

    /// <summary>The tensors that lose something; empty for a layer that stays as it is.</summary>
    public IReadOnlyList<TensorCut> Tensors { get; }

    /// <summary>Whether the layer loses anything.</summary>
    public bool Changes => Plan.RemovedInputs.Count + Plan.RemovedOutputs.Count > 0;

    /// <summary>
    /// Whether zeros in the channels that go, where they enter the layer, say the same as zeros in the weights that read them: then no weight need be copied to mask the layer.
    /// </summary>
    public bool IsMaskedByInputs => Plan.RemovedInputs.Count > 0 && Layer.Rule.ReadsLinearly(Layer.Module) && Tensors.Any(tensor => tensor.Reads);

    /// <summary>The bytes of what stays of the tensors that shrink.</summary>
    public long KeptBytes => Tensors.Sum(tensor => tensor.KeptBytes);

    /// <summary>A call's inputs with zeros in the channels that go; in the caller's scope.</summary>
    public IReadOnlyList<Tensor?> MaskInputs(IReadOnlyList<Tensor?> inputs)
    {
        Tensor?[] masked = [.. inputs];
        // Held: the operation copies its input first and reads the number then, when a collector may have taken it.
        using Scalar zero = 0f;
        foreach (var port in Layer.Rule.InputPorts(Layer.Module, inputs))
        {
            if (masked[port.Index] is { } input && Positions(port, input.shape[port.Axis]) is var (_, removed))
            {
                using var at = tensor(removed, device: input.device);
                masked[port.Index] = input.index_fill(port.Axis, at, zero);
            }
        }

        return masked;
    }

    /// <summary>Channels of a side that stay, ascending.</summary>
    public int[] Kept(ChannelAxis side)
    {
        var (channels, removed) = side == ChannelAxis.Input ? (Plan.InputChannels, Plan.RemovedInputs) : (Plan.OutputChannels, Plan.RemovedOutputs);
        var gone = removed.ToHashSet();
        return [.. Enumerable.Range(0, channels).Where(channel => !gone.Contains(channel))];
    }

    /// <summary>Positions along a tensor that goes into the layer or comes out of it whose channels stay, or go; null when all stay.</summary>
    public (long[] Kept, long[] Removed)? Positions(TensorPort port, long length)
    {
        var removed = port.Side == ChannelAxis.Input ? Plan.RemovedInputs : Plan.RemovedOutputs;
        if (removed.Count == 0)
            return null;
        if (_positions.TryGetValue((port, length), out var known))
            return known;
        var gone = removed.ToHashSet();
        var positions = Enumerable.Range(0, (int)length).ToLookup(position => gone.Contains(port.Channel(position)), position => (long)position);
        return _positions[(port, length)] = ([.. positions[false]], [.. positions[true]]);
    }

    public static LayerCut Prepare(TracedLayer layer, LayerPlan plan)
    {
        var tensors = new List<TensorCut>();
        foreach (var tensor in layer.Rule.Tensors(layer.Module))
        {
            var axes = new List<ChannelPositions>();
            foreach (var axis in tensor.Axes)
            {
                var (channels, removed) = axis.Side == ChannelAxis.Input ? (layer.InputChannels, plan.RemovedInputs) : (layer.OutputChannels, plan.RemovedOutputs);
                if (removed.Count > 0 && ChannelPositions.Along(layer.Name, tensor.Name, axis, tensor.Tensor.shape[axis.Axis], channels, removed) is { } positions)
                    axes.Add(positions);
            }

            if (axes.Count > 0)
                tensors.Add(new TensorCut(tensor.Name, tensor.Tensor, axes));
        }

        return new LayerCut(layer, plan, tensors);
    }
}

/// <summary>What happens to one tensor of a layer.</summary>
/// <param name="Name">The tensor's name within its layer.</param>
/// <param name="Tensor">The layer's own tensor.</param>
/// <param name="Axes">Positions that stay and go, for each axis that loses some.</param>
internal sealed record TensorCut(string Name, Tensor Tensor, IReadOnlyList<ChannelPositions> Axes)
{
    // Small beside any layer that memory matters for, large enough that the number of blocks does not.
    private const long BlockBytes = 256 << 10;

    /// <summary>Whether the layer reads channels that go through this tensor.</summary>
    public bool Reads => Axes.Any(axis => axis.Reads);

    /// <summary>The shape before the cut. A copy of this record for another tensor keeps it.</summary>
    public IReadOnlyList<long> Before { get; } = Tensor.shape;

    /// <summary>The bytes of what stays.</summary>
    public long KeptBytes => Axes.Aggregate(Before.Aggregate(Tensor.ElementSize, (bytes, length) => bytes * length), (bytes, axis) => bytes / (axis.Kept.Length + axis.Removed.Length) * axis.Kept.Length);

    /// <summary>A copy with only the channels that stay; owned by the caller.</summary>
    /// <remarks>A tensor that shrinks along several axes is narrowed along all of them at once, a block of the first at a time: what lies between the axes is never there as a whole.</remarks>
    public Tensor Narrowed()
    {
        using var scope = NewDisposeScope();
        var whole = Tensor.detach();
        if (Axes is [var only])
            return Kept(whole, only, 0, only.Kept.Length).MoveToOuterDisposeScope();
        var (first, rest) = (Axes[0], Axes.Skip(1).ToArray());
        var shape = whole.shape;
        foreach (var positions in Axes)
            shape[positions.Axis] = positions.Kept.Length;
        var result = empty(shape, dtype: whole.dtype, device: whole.device);
        var block = (int)Math.Max(1, BlockBytes / Math.Max(1, whole.numel() / whole.shape[first.Axis] * whole.ElementSize));
        for (var start = 0; start < first.Kept.Length; start += block)
        {
            using var copies = NewDisposeScope();
            var count = Math.Min(block, first.Kept.Length - start);
            var part = Kept(whole, first, start, count);
            foreach (var positions in rest)
                part = Kept(part, positions, 0, positions.Kept.Length);
            result.narrow(first.Axis, start, count).copy_(part);
        }

        return result.MoveToOuterDisposeScope();
    }

    private static Tensor Kept(Tensor whole, ChannelPositions positions, int start, int count) =>
        whole.index_select(positions.Axis, tensor(positions.Kept.AsSpan(start, count).ToArray(), device: whole.device));

    /// <summary>A copy of full size that reads nothing from the channels that go; owned by the caller.</summary>
    public Tensor Masked()
    {
        using var scope = NewDisposeScope();
        var result = Tensor.detach().clone();
        foreach (var positions in Axes.Where(axis => axis.Reads))
            result.index_fill_(positions.Axis, tensor(positions.Removed, device: Tensor.device), 0);
        return result.MoveToOuterDisposeScope();
    }
}
