using TorchSharp.Modules;

namespace FilterPruning.Inference;

/// <summary>How a two-dimensional convolution moves over its input.</summary>
internal sealed record ConvolutionShape(long[] Padding, long[] Stride, long[] Dilation, long Groups)
{
    /// <summary>The shape of a layer, or null where it pads by something other than a given number of zeros.</summary>
    public static ConvolutionShape? Of(Conv2d layer) => layer.padding_mode == PaddingModes.Zeros && layer.padding is { } padding && layer.padding_type is null
        ? new ConvolutionShape(Two(padding), Two(layer.stride), Two(layer.dilation), layer.groups)
        : null;

    private static long[] Two(long[] values) => values.Length == 1 ? [values[0], values[0]] : [values[0], values[1]];
}
