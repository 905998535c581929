using TorchSharp.Modules;

namespace FilterPruning.Layers;

/// <summary>
/// <c>Conv1d</c>, <c>Conv2d</c> and <c>Conv3d</c>: plain, grouped, or depthwise (as many groups as inputs and outputs). Weight
/// <c>[out, in / groups, kernel…]</c>.
/// </summary>
internal sealed class ConvolutionRule(int dimensions) : LayerRule
{
    public override string Kind => $"Conv{dimensions}d";

    public override bool Handles(nn.Module module) => dimensions switch
    {
        1 => module is Conv1d,
        2 => module is Conv2d,
        _ => module is Conv3d,
    };

    public override int InputChannels(nn.Module module) => (int)Layer(module).in_channels;

    public override int OutputChannels(nn.Module module) => (int)Layer(module).out_channels;

    public override ChannelMapping Mapping(nn.Module module) => ConvolutionGroups.Mapping(Layer(module));

    public override int Blocks(nn.Module module) => ConvolutionGroups.Blocks(Layer(module));

    // [N, C, …] or, without a batch, [C, …]
    public override int InputAxis(nn.Module module, Tensor input) => (int)input.dim() - dimensions - 1;

    public override int OutputAxis(nn.Module module, Tensor output) => (int)output.dim() - dimensions - 1;

    public override IReadOnlyList<ChannelTensor> Tensors(nn.Module module)
    {
        var layer = Layer(module);
        var weight = Filters(module);
        return layer.bias is { } bias ? [weight, new ChannelTensor("bias", bias, 0, null)] : [weight];
    }

    public override ChannelTensor Filters(nn.Module module)
    {
        var layer = Layer(module);
        int? inputAxis = Mapping(module) == ChannelMapping.ChannelWise ? null : 1;
        return new ChannelTensor("weight", layer.weight, 0, inputAxis);
    }

    public override long MacsPerPair(nn.Module module, ReadOnlySpan<long> inputShape, ReadOnlySpan<long> outputShape)
    {
        // Every output position reads the whole kernel once.
        var layer = Layer(module);
        return ConvolutionGroups.PositionsWithoutChannels(outputShape, outputShape.Length - dimensions - 1) * ConvolutionGroups.Product(layer.kernel_size);
    }

    // A class derived from the layer may do anything with its weights.
    internal override bool ReadsLinearly(nn.Module module) => module.GetType().Assembly == typeof(nn.Module).Assembly;

    public override void SetWidths(nn.Module module, int inputChannels, int outputChannels) =>
        ConvolutionGroups.SetWidths(Layer(module), inputChannels, outputChannels);

    internal override int TapsSeen(nn.Module module) => CanGather(Layer(module)) ? (int)ConvolutionGroups.Product(Layer(module).kernel_size) : 0;

    internal override long PlacesOf(nn.Module module, Tensor input) => new PatchGather(Layer(module), dimensions, input).Places;

    internal override Tensor PatchesAt(nn.Module module, Tensor input, long[] places) => new PatchGather(Layer(module), dimensions, input).At(places);

    // Padding by reflection and the like has no zeros outside.
    private static bool CanGather(Convolution layer) => layer.padding_mode == PaddingModes.Zeros && layer.padding is not null;

    private static Convolution Layer(nn.Module module) => (Convolution)module;
}
