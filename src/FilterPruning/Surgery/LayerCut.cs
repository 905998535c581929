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

    /// <summary>The output channels that stay, as int64 indices; null when all do.</summary>
    public long[]? KeptOutputs()
        => Plan.RemovedOutputs.Count == 0 ? null : ChannelPositions.Along(Layer.Name, "output", 0, Plan.OutputChannels, Plan.OutputChannels, Plan.RemovedOutputs, 1).Kept;

    public static LayerCut Prepare(TracedLayer layer, LayerPlan plan)
    {
        var blocks = layer.Mapping == ChannelMapping.Grouped ? layer.Rule.Blocks(layer.Module) : 1;
        var tensors = new List<TensorCut>();
        foreach (var tensor in layer.Rule.Tensors(layer.Module))
        {
            var output = Positions(tensor, tensor.OutputAxis, layer.OutputChannels, plan.RemovedOutputs);
            var input = layer.Mapping == ChannelMapping.ChannelWise ? null : Positions(tensor, tensor.InputAxis, layer.InputChannels, plan.RemovedInputs);
            if (output is not null || input is not null)
                tensors.Add(new TensorCut(tensor.Name, tensor.Tensor, output, input));
        }

        return new LayerCut(layer, plan, tensors);

        ChannelPositions? Positions(ChannelTensor tensor, int? axis, int channels, IReadOnlyList<int> removed)
            => axis is not { } a || removed.Count == 0 ? null : ChannelPositions.Along(layer.Name, tensor.Name, a, tensor.Tensor.shape[a], channels, removed, blocks);
    }
}

/// <summary>What happens to one tensor of a layer.</summary>
/// <param name="Name">The tensor's name within its layer.</param>
/// <param name="Tensor">The layer's own tensor.</param>
/// <param name="Outputs">Positions of output channels; null when all stay.</param>
/// <param name="Inputs">Positions of input channels; null when all stay.</param>
internal sealed record TensorCut(string Name, Tensor Tensor, ChannelPositions? Outputs, ChannelPositions? Inputs)
{
    /// <summary>The shape before the cut. A copy of this record for another tensor keeps it.</summary>
    public IReadOnlyList<long> Before { get; } = Tensor.shape;

    /// <summary>A copy with only the channels that stay; owned by the caller.</summary>
    public Tensor Narrowed()
    {
        using var scope = NewDisposeScope();
        var result = Tensor.detach();
        foreach (var positions in new[] { Outputs, Inputs })
        {
            if (positions is not null)
                result = result.index_select(positions.Axis, tensor(positions.Kept, device: Tensor.device));
        }

        return result.MoveToOuterDisposeScope();
    }

    /// <summary>A copy of full size that reads nothing from the input channels that go; owned by the caller.</summary>
    public Tensor Masked()
    {
        using var scope = NewDisposeScope();
        var result = Tensor.detach().clone();
        if (Inputs is not null)
            result.index_fill_(Inputs.Axis, tensor(Inputs.Removed, device: Tensor.device), 0);
        return result.MoveToOuterDisposeScope();
    }
}
