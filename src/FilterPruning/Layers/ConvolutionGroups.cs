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
        // A depthwise layer has a group per channel; a grouped one keeps its groups and narrows each.
        if (IsDepthwise(layer)) layer.groups = inputChannels;
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
