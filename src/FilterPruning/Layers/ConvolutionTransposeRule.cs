using TorchSharp.Modules;

namespace FilterPruning.Layers;

/// <summary><c>ConvTranspose1d</c>, <c>ConvTranspose2d</c> and <c>ConvTranspose3d</c>. Weight <c>[in, out / groups, kernel…]</c>.</summary>
internal sealed class ConvolutionTransposeRule(int dimensions) : LayerRule
{
    public override string Kind => $"ConvTranspose{dimensions}d";

    public override bool Handles(nn.Module module) => dimensions switch
    {
        1 => module is ConvTranspose1d,
        2 => module is ConvTranspose2d,
        _ => module is ConvTranspose3d,
    };

    public override int InputChannels(nn.Module module) => (int)Layer(module).in_channels;

    public override int OutputChannels(nn.Module module) => (int)Layer(module).out_channels;

    public override ChannelMapping Mapping(nn.Module module) => ConvolutionGroups.Mapping(Layer(module));

    public override int Blocks(nn.Module module) => ConvolutionGroups.Blocks(Layer(module));

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
        return Mapping(module) == ChannelMapping.ChannelWise
            ? new ChannelTensor("weight", layer.weight, 0, null)
            : new ChannelTensor("weight", layer.weight, 1, 0);
    }

    public override long MacsPerPair(nn.Module module, ReadOnlySpan<long> inputShape, ReadOnlySpan<long> outputShape)
    {
        // Every input position writes the whole kernel once.
        var layer = Layer(module);
        return ConvolutionGroups.PositionsWithoutChannels(inputShape, inputShape.Length - dimensions - 1) * ConvolutionGroups.Product(layer.kernel_size);
    }

    // A class derived from the layer may do anything with its weights.
    internal override bool ReadsLinearly(nn.Module module) => module.GetType().Assembly == typeof(nn.Module).Assembly;

    public override void SetWidths(nn.Module module, int inputChannels, int outputChannels) =>
        ConvolutionGroups.SetWidths(Layer(module), inputChannels, outputChannels);

    private static Convolution Layer(nn.Module module) => (Convolution)module;
}
