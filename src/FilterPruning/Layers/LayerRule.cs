namespace FilterPruning.Layers;

/// <summary>
/// What the channels of one layer type mean and how such a layer shrinks. Tracing, costs, masking and cutting all work on this
/// description; none of them knows a layer type by name.
/// </summary>
/// <remarks>Rules hold no state and may be shared between threads.</remarks>
public abstract class LayerRule
{
    /// <summary>The layer type's name for reports, for instance <c>Conv2d</c>.</summary>
    public abstract string Kind { get; }

    /// <summary>Whether this rule describes the given module.</summary>
    public abstract bool Handles(nn.Module module);

    /// <summary>The number of input channels the module has now.</summary>
    public abstract int InputChannels(nn.Module module);

    /// <summary>The number of output channels the module has now.</summary>
    public abstract int OutputChannels(nn.Module module);

    /// <summary>How outputs depend on inputs. Dense unless overridden.</summary>
    public virtual ChannelMapping Mapping(nn.Module module) => ChannelMapping.Dense;

    /// <summary>The number of equal blocks of a <see cref="ChannelMapping.Grouped"/> layer, otherwise 1.</summary>
    public virtual int Blocks(nn.Module module) => 1;

    /// <summary>The non-negative axis of the channels in a tensor that goes into the layer.</summary>
    public abstract int InputAxis(nn.Module module, Tensor input);

    /// <summary>The non-negative axis of the channels in a tensor that comes out of the layer.</summary>
    public abstract int OutputAxis(nn.Module module, Tensor output);

    /// <summary>Every parameter and buffer of the layer that has a channel axis.</summary>
    public abstract IReadOnlyList<ChannelTensor> Tensors(nn.Module module);

    /// <summary>The weight whose slices are the layer's filters, with its output axis; null for layers without filters (norms).</summary>
    public virtual ChannelTensor? Filters(nn.Module module) => null;

    /// <summary>
    /// Multiply-accumulate operations of one call per pair of connected input and output channel (for a channel-wise layer: per channel),
    /// from the shapes of that call. Zero for layers whose work is not counted (norms).
    /// </summary>
    public virtual long MacsPerPair(nn.Module module, ReadOnlySpan<long> inputShape, ReadOnlySpan<long> outputShape) => 0;

    /// <summary>
    /// For a norm: the tensor that it subtracts from each channel before anything else (a running mean), so that a constant on its input can
    /// be taken up there. Null for every other layer.
    /// </summary>
    public virtual ChannelTensor? InputOffset(nn.Module module) => null;

    /// <summary>Writes the layer's width fields after its tensors were narrowed.</summary>
    public abstract void SetWidths(nn.Module module, int inputChannels, int outputChannels);
}
