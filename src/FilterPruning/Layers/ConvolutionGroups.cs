using TorchSharp.Modules;

namespace FilterPruning.Layers;

/// <summary>What plain and transposed convolutions share: how their groups map channels, and how their widths are written.</summary>
internal static class ConvolutionGroups
{
    public static ChannelMapping Mapping(Convolution layer)
    {
        if (layer.groups == 1) return ChannelMapping.Dense;
        return IsDepthwise(layer) ? ChannelMapping.ChannelWise : ChannelMapping.Grouped;
    }

    public static int Blocks(Convolution layer) => Mapping(layer) == ChannelMapping.Grouped ? (int)layer.groups : 1;

    public static void SetWidths(Convolution layer, int inputChannels, int outputChannels)
    {
        // The narrowed weight [out, in / groups, …] (transposed: [in, out / groups, …]) says how many groups are left: a depthwise layer has one a channel, any other keeps its own.
        layer.groups = (layer.transposed ? outputChannels : inputChannels) / layer.weight!.shape[1];
        Widths.SetConvolution(layer, inputChannels, outputChannels);
    }

    public static long Product(ReadOnlySpan<long> sizes)
    {
        long product = 1;
        foreach (var size in sizes) product *= size;
        return product;
    }

    public static long PositionsWithoutChannels(ReadOnlySpan<long> shape, int channelAxis)
    {
        long product = 1;
        for (var axis = 0; axis < shape.Length; axis++)
            if (axis != channelAxis) product *= shape[axis];
        return product;
    }

    private static bool IsDepthwise(Convolution layer) =>
        layer.groups > 1 && layer.groups == layer.in_channels && layer.groups == layer.out_channels;
}
