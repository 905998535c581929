using FilterPruning.Graph;

namespace FilterPruning.Layers;

/// <summary>What a tensor of a layer is for.</summary>
public enum TensorRole
{
    /// <summary>A weight or a bias, trainable or frozen. Counted as parameters.</summary>
    Weight,

    /// <summary>A running statistic. Shrinks with its channels, is not counted as parameters.</summary>
    Statistic,
}

/// <summary>One axis of a tensor along which channels of its layer lie.</summary>
/// <param name="Axis">The axis, from 0.</param>
/// <param name="Side">Whose channels: those that go into the layer, or those that come out.</param>
/// <remarks>
/// <para>Position <c>p</c> belongs to channel <c>Offset + p mod Count</c>. An axis longer than the channels repeats them (the four gates of an LSTM: 4·H positions
/// for H channels). An axis shorter than the channels stands for several at once (the input axis of a grouped convolution, <c>in / groups</c>): there, position <c>p</c> goes when any of the
/// channels <c>p, p + length, …</c> goes, and the layer's ties see to it that they go together.</para>
/// </remarks>
public sealed record TensorAxis(int Axis, ChannelAxis Side)
{
    /// <summary>The first channel that the axis holds. Default 0; other values where a side is made of several tensors (the second input of a bilinear layer).</summary>
    public int Offset { get; init; }

    /// <summary>How many channels the axis holds; null for all of the side.</summary>
    public int? Count { get; init; }

    /// <summary>Whether the layer reads these channels through this axis: zeros at a position then hide the channel. By default so for inputs; also for a recurrent weight, which reads the layer's own outputs.</summary>
    public bool Reads { get; init; } = Side == ChannelAxis.Input;
}

/// <summary>One parameter or buffer of a layer and the axes along which its channels lie.</summary>
/// <param name="Name">The tensor's name within the layer, as in its state dict (<c>weight</c>, <c>running_mean</c>).</param>
/// <param name="Tensor">The layer's own tensor; not owned by this record.</param>
/// <param name="Axes">The axes that hold channels.</param>
/// <param name="Role">Weight or statistic.</param>
public sealed record ChannelTensor(string Name, Tensor Tensor, IReadOnlyList<TensorAxis> Axes, TensorRole Role = TensorRole.Weight)
{
    /// <summary>A tensor with at most one axis for each side.</summary>
    /// <param name="name">The tensor's name within the layer.</param>
    /// <param name="tensor">The layer's own tensor.</param>
    /// <param name="outputAxis">The axis of the output channels, or null when the tensor has none.</param>
    /// <param name="inputAxis">The axis of the input channels, or null when the tensor has none.</param>
    /// <param name="role">Weight or statistic.</param>
    public ChannelTensor(string name, Tensor tensor, int? outputAxis, int? inputAxis, TensorRole role = TensorRole.Weight)
        : this(name, tensor, AxesOf(outputAxis, inputAxis), role)
    {
    }

    /// <summary>The first axis of output channels that is not read, or null.</summary>
    public int? OutputAxis => Axes.FirstOrDefault(axis => axis.Side == ChannelAxis.Output && !axis.Reads)?.Axis;

    /// <summary>The first axis of input channels, or null.</summary>
    public int? InputAxis => Axes.FirstOrDefault(axis => axis.Side == ChannelAxis.Input)?.Axis;

    private static TensorAxis[] AxesOf(int? outputAxis, int? inputAxis)
    {
        var axes = new List<TensorAxis>(2);
        if (outputAxis is { } output) axes.Add(new TensorAxis(output, ChannelAxis.Output));
        if (inputAxis is { } input) axes.Add(new TensorAxis(input, ChannelAxis.Input));
        return [.. axes];
    }
}
