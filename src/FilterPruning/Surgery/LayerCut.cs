using FilterPruning.Graph;
using FilterPruning.Layers;
using FilterPruning.Planning;

namespace FilterPruning.Surgery;

/// <summary>What happens to one layer: its tensors with the positions that stay and go.</summary>
internal sealed class LayerCut
{
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
        var gone = removed.ToHashSet();
        var positions = Enumerable.Range(0, (int)length).ToLookup(position => gone.Contains(port.Channel(position)), position => (long)position);
        return ([.. positions[false]], [.. positions[true]]);
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
    /// <summary>Whether the layer reads channels that go through this tensor.</summary>
    public bool Reads => Axes.Any(axis => axis.Reads);

    /// <summary>The shape before the cut. A copy of this record for another tensor keeps it.</summary>
    public IReadOnlyList<long> Before { get; } = Tensor.shape;

    /// <summary>A copy with only the channels that stay; owned by the caller.</summary>
    public Tensor Narrowed()
    {
        using var scope = NewDisposeScope();
        var result = Tensor.detach();
        foreach (var positions in Axes)
            result = result.index_select(positions.Axis, tensor(positions.Kept, device: Tensor.device));
        return result.MoveToOuterDisposeScope();
    }

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
