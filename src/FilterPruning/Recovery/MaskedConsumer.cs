using FilterPruning.Graph;
using FilterPruning.Layers;

namespace FilterPruning.Recovery;

/// <summary>A layer that loses inputs, as a weighted sum of its input channels whose weights for the removed ones can be set to zero.</summary>
internal sealed class MaskedConsumer
{
    private readonly ChannelTensor _weight;
    private readonly ChannelTensor? _bias;
    private readonly IReadOnlyList<int> _removed;

    public MaskedConsumer(TracedLayer layer, IReadOnlyList<int> removedInputs)
    {
        Layer = layer;
        _removed = removedInputs;
        var tensors = layer.Rule.Tensors(layer.Module);
        _weight = tensors.Single(part => part.InputAxis is not null && part.OutputAxis is not null);
        _bias = tensors.FirstOrDefault(part => part is { InputAxis: null, OutputAxis: not null, Role: TensorRole.Weight });
    }

    /// <summary>The layer.</summary>
    public TracedLayer Layer { get; }

    /// <summary>How many of its input channels go.</summary>
    public int RemovedCount => _removed.Count;

    /// <summary>The layers that lose inputs and can be written in this form, in data order.</summary>
    public static IReadOnlyList<MaskedConsumer> Of(DependencyGraph graph, Planning.PruningPlan plan) =>
        [.. graph.Layers
            .Where(layer => layer.Mapping != ChannelMapping.ChannelWise && ConsumerRepair.CanRefit(layer) && layer.Module is nn.Module<Tensor, Tensor>)
            .Where(HasUsualLayout)
            .Select(layer => (Layer: layer, Removed: RepairChecks.RemovedInputs(layer, plan)))
            .Where(consumer => consumer.Removed.Count > 0)
            .Select(consumer => new MaskedConsumer(consumer.Layer, consumer.Removed))];

    // One row for each output and one column for each input of its block.
    private static bool HasUsualLayout(TracedLayer layer)
    {
        var weight = layer.Rule.Tensors(layer.Module).Single(part => part.InputAxis is not null && part.OutputAxis is not null);
        var blocks = layer.Mapping == ChannelMapping.Grouped ? layer.Rule.Blocks(layer.Module) : 1;
        return weight.Tensor.shape[weight.OutputAxis!.Value] == layer.OutputChannels && weight.Tensor.shape[weight.InputAxis!.Value] * blocks == layer.InputChannels;
    }

    /// <summary>What the removed channels of an input add to the output: the layer itself on them alone, so that kernels, strides, padding and blocks are as they are. The caller's.</summary>
    public Tensor Contribution(Tensor input)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var axis = Layer.Rule.InputAxis(Layer.Module, input);
        var index = tensor(_removed.Select(channel => (long)channel).ToArray(), int64, device: input.device);
        var alone = zeros_like(input).index_copy_(axis, index, input.detach().index_select(axis, index));
        // Past the hooks: this call is none of the model's.
        var output = ((nn.Module<Tensor, Tensor>)Layer.Module).forward(alone);
        if (_bias is not null)
        {
            var shape = Enumerable.Repeat(1L, (int)output.dim()).ToArray();
            shape[Layer.Rule.OutputAxis(Layer.Module, output)] = -1;
            output = output - _bias.Tensor.detach().view(shape);
        }

        return output.MoveToOuterDisposeScope();
    }

    /// <summary>Sets the weights for the removed channels to zero; remembers what it changes.</summary>
    public void Mask(TensorCopies copies)
    {
        using var scope = NewDisposeScope();
        copies.Remember(_weight.Tensor);
        var blocks = Layer.Mapping == ChannelMapping.Grouped ? Layer.Rule.Blocks(Layer.Module) : 1;
        var (inputs, outputs) = (Layer.InputChannels / blocks, Layer.OutputChannels / blocks);
        foreach (var block in _removed.GroupBy(channel => channel / inputs))
        {
            var index = tensor(block.Select(channel => (long)(channel % inputs)).ToArray(), int64, device: _weight.Tensor.device);
            _weight.Tensor.detach().narrow(_weight.OutputAxis!.Value, block.Key * outputs, outputs).index_fill_(_weight.InputAxis!.Value, index, 0);
        }
    }

    /// <summary>Whether there is somewhere to put a constant: a bias, or the norm behind the layer.</summary>
    public bool TakesConstant(TracedLayer? norm) => _bias is not null || norm?.Rule.InputOffset(norm.Module) is not null;

    /// <summary>Multiplies the whole output, its bias included, by a factor per channel, float64 <c>[outputs]</c>; remembers what it changes.</summary>
    public void Scale(Tensor factor, TensorCopies copies)
    {
        using var scope = NewDisposeScope();
        copies.Remember(_weight.Tensor);
        var shape = Enumerable.Repeat(1L, (int)_weight.Tensor.dim()).ToArray();
        shape[_weight.OutputAxis!.Value] = -1;
        _weight.Tensor.detach().mul_(factor.view(shape).to(_weight.Tensor.dtype).to(_weight.Tensor.device));
        if (_bias is not null)
        {
            copies.Remember(_bias.Tensor);
            _bias.Tensor.detach().mul_(factor.to(_bias.Tensor.dtype).to(_bias.Tensor.device));
        }
    }

    /// <summary>Adds a constant per output channel, float64 <c>[outputs]</c>: to the bias, or to what the norm behind the layer subtracts. Remembers what it changes.</summary>
    /// <returns>False where there is neither; nothing is changed then.</returns>
    public bool Add(Tensor constant, TracedLayer? norm, TensorCopies copies)
    {
        using var scope = NewDisposeScope();
        if (_bias is not null)
        {
            copies.Remember(_bias.Tensor);
            _bias.Tensor.detach().add_(constant.to(_bias.Tensor.dtype).to(_bias.Tensor.device));
            return true;
        }

        if (norm?.Rule.InputOffset(norm.Module) is not { } offset)
            return false;
        copies.Remember(offset.Tensor);
        offset.Tensor.sub_(constant.to(offset.Tensor.dtype).to(offset.Tensor.device));       // norm(y + c) is the norm of y with a mean lower by c
        return true;
    }
}
