using FilterPruning.Detection.Models;

namespace FilterPruning.Detection.Onnx;

/// <summary>Heights and widths, int64 <c>[2]</c> each.</summary>
/// <param name="Given">Of the image.</param>
/// <param name="Resized">After resizing.</param>
/// <param name="Padded">Of the network's input.</param>
internal readonly record struct ImageSizes(Value Given, Value Resized, Value Padded)
{
    /// <summary>The arithmetic of <see cref="GeneralizedRcnnTransform.ResizedSize"/>, operation by operation: it decides about whole pixels.</summary>
    /// <param name="given">The image's height and width, int64 <c>[2]</c>.</param>
    /// <param name="options">The detector's.</param>
    public static ImageSizes Of(Value given, MaskRcnnOptions options)
    {
        var graph = given.Graph;
        graph.Enter("transform/size");
        var sides = given.ToDouble();
        var shorter = graph.Node("ReduceMin", [sides], ("keepdims", 0L));
        var longer = graph.Node("ReduceMax", [sides], ("keepdims", 0L));
        // float32's reciprocal by way of double: ONNX Runtime makes one division of 1 / x · y, which rounds otherwise and is a pixel more for some sizes.
        var one = graph.Scalar(1L).ToDouble();
        var scale = ((one / shorter).ToFloat() * (float)options.MinSize).Min((one / longer).ToFloat() * (float)options.MaxSize);
        // Positive numbers: cutting off is rounding down.
        var resized = (given.ToDouble() * scale.ToDouble()).ToInt().Max(graph.Scalar(1L));
        var padded = (resized + (options.SizeDivisible - 1L)) / (long)options.SizeDivisible * (long)options.SizeDivisible;
        return new ImageSizes(given, resized, padded);
    }

    /// <summary>Width, height, width, height of one of the sizes, float32 <c>[4]</c>: what corners are compared with.</summary>
    public static Value Corners(Value size) => size.Gather(size.Graph.Vector(1, 0, 1, 0)).ToFloat();
}
