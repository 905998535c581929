using FilterPruning.Graph;
using TorchSharp.Modules;

namespace FilterPruning.Layers;

/// <summary>
/// <c>LayerNorm</c> over one axis (the last: <c>[…, C]</c>) or over three (<c>[…, C, H, W]</c>), with or without weight and bias. Channel-wise, but for its statistics, which are those of the
/// channels that are left.
/// </summary>
/// <remarks>Over two axes it cannot be told which of them, if any, holds channels; such a norm has no rule.</remarks>
internal sealed class LayerNormRule : LayerRule
{
    public override string Kind => "LayerNorm";

    public override bool Handles(nn.Module module) => module is LayerNorm { normalized_shape.Length: 1 or 3 };

    public override int InputChannels(nn.Module module) => (int)((LayerNorm)module).normalized_shape[0];

    public override int OutputChannels(nn.Module module) => InputChannels(module);

    public override ChannelMapping Mapping(nn.Module module) => ChannelMapping.ChannelWise;

    public override int InputAxis(nn.Module module, Tensor input) => (int)input.dim() - ((LayerNorm)module).normalized_shape.Length;

    public override int OutputAxis(nn.Module module, Tensor output) => InputAxis(module, output);

    public override IReadOnlyList<ChannelTensor> Tensors(nn.Module module)
    {
        var layer = (LayerNorm)module;
        var tensors = new List<ChannelTensor>(2);
        if (layer.elementwise_affine) tensors.Add(new ChannelTensor("weight", layer.weight, 0, null));
        if (layer.bias is { } bias) tensors.Add(new ChannelTensor("bias", bias, 0, null));
        return tensors;
    }

    public override IReadOnlyList<Tensor> OutputsOn(nn.Module module, IReadOnlyList<Tensor?> inputs, IReadOnlyList<int> keptInputs, IReadOnlyList<int> keptOutputs)
    {
        using var scope = NewDisposeScope();
        var layer = (LayerNorm)module;
        var kept = tensor(keptOutputs.Select(channel => (long)channel).ToArray(), device: inputs[0]!.device);
        var input = inputs[0]!.detach().index_select(InputAxis(module, inputs[0]!), kept);
        long[] shape = [keptOutputs.Count, .. layer.normalized_shape.Skip(1)];
        var dims = Enumerable.Range(0, shape.Length).Select(i => input.dim() - shape.Length + i).ToArray();
        // Written out rather than asked of the same kernel: this is what the pruned layer is compared with.
        var wide = input.to(float64);
        var mean = wide.mean(dims, keepdim: true);
        var variance = (wide - mean).square().mean(dims, keepdim: true);
        var output = (wide - mean) / (variance + layer.eps).sqrt();
        if (layer.elementwise_affine) output *= layer.weight.detach().index_select(0, kept).to(float64);
        if (layer.bias is { } bias) output += bias.detach().index_select(0, kept).to(float64);
        return [output.to(input.dtype).MoveToOuterDisposeScope()];
    }

    public override void SetWidths(nn.Module module, int inputChannels, int outputChannels)
    {
        var layer = (LayerNorm)module;
        // A new array: others may hold the one that the layer was made with.
        layer.normalized_shape = [outputChannels, .. layer.normalized_shape.Skip(1)];
    }
}
