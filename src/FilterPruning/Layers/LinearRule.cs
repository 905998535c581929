using TorchSharp.Modules;

namespace FilterPruning.Layers;

/// <summary><c>Linear</c>: channels on the last axis. Weight <c>[out, in]</c>.</summary>
internal sealed class LinearRule : LayerRule
{
    public override string Kind => "Linear";

    public override bool Handles(nn.Module module) => module is Linear;

    public override int InputChannels(nn.Module module) => (int)((Linear)module).in_features;

    public override int OutputChannels(nn.Module module) => (int)((Linear)module).out_features;

    public override int InputAxis(nn.Module module, Tensor input) => (int)input.dim() - 1;

    public override int OutputAxis(nn.Module module, Tensor output) => (int)output.dim() - 1;

    public override IReadOnlyList<ChannelTensor> Tensors(nn.Module module)
    {
        var weight = Filters(module);
        return ((Linear)module).bias is { } bias ? [weight, new ChannelTensor("bias", bias, 0, null)] : [weight];
    }

    public override ChannelTensor Filters(nn.Module module) => new("weight", ((Linear)module).weight, 0, 1);

    public override long MacsPerPair(nn.Module module, ReadOnlySpan<long> inputShape, ReadOnlySpan<long> outputShape) =>
        ConvolutionGroups.PositionsWithoutChannels(outputShape, outputShape.Length - 1);

    // A class derived from the layer may do anything with its weights.
    internal override bool ReadsLinearly(nn.Module module) => module.GetType().Assembly == typeof(nn.Module).Assembly;

    public override void SetWidths(nn.Module module, int inputChannels, int outputChannels)
    {
        var layer = (Linear)module;
        layer.in_features = inputChannels;
        layer.out_features = outputChannels;
    }

    internal override int TapsSeen(nn.Module module) => 1;

    internal override long PlacesOf(nn.Module module, Tensor input) => input.numel() / input.shape[^1];

    internal override Tensor PatchesAt(nn.Module module, Tensor input, long[] places)
    {
        using var scope = NewDisposeScope();
        return input.reshape(-1, input.shape[^1]).index_select(0, tensor(places, int64, device: input.device)).unsqueeze(-1).MoveToOuterDisposeScope();
    }
}
