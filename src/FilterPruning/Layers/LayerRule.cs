using FilterPruning.Graph;

namespace FilterPruning.Layers;

/// <summary>
/// What the channels of one layer type mean and how such a layer shrinks. Tracing, costs, masking and cutting all work on this
/// description; none of them knows a layer type by name.
/// </summary>
/// <remarks>
/// <para>For a first rule begin with <see cref="LayerRule{TModule}"/>, where one member is enough. This class is for layers that it does not fit.</para>
/// <para>A rule for a layer that takes one tensor and returns one overrides the abstract members and, where they differ from a convolution's, <see cref="Mapping"/>, <see cref="Filters"/> and
/// <see cref="MacsPerPair"/>. Everything below the line "for unusual layers" has a default that fits such a layer.</para>
/// <para>Rules hold no state and may be shared between threads. Members are asked about the module as it is at that moment: before the cut, while it is masked, and after.</para>
/// </remarks>
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

    // --- for unusual layers ---

    /// <summary>
    /// Channels of one side with the same label can only go together, whatever the rest of the model says: equal places of a grouped convolution's blocks, all channels of a group norm's
    /// group, equal places of attention heads.
    /// </summary>
    /// <param name="module">The layer.</param>
    /// <param name="side">The side.</param>
    /// <param name="channel">A channel of that side.</param>
    public virtual int TieLabel(nn.Module module, ChannelAxis side, int channel)
    {
        if (Mapping(module) != ChannelMapping.Grouped) return channel;
        var width = side == ChannelAxis.Input ? InputChannels(module) : OutputChannels(module);
        return channel % (width / Blocks(module));
    }

    /// <summary>Where the channels lie in the tensors that go into a call. By default the first tensor holds the input channels along <see cref="InputAxis"/>.</summary>
    /// <param name="module">The layer.</param>
    /// <param name="inputs">The call's tensors; null where an optional one was left out.</param>
    public virtual IReadOnlyList<TensorPort> InputPorts(nn.Module module, IReadOnlyList<Tensor?> inputs) =>
        inputs.Count > 0 && inputs[0] is { } first && InputChannels(module) > 0 ? [new TensorPort(0, InputAxis(module, first), ChannelAxis.Input)] : [];

    /// <summary>Where the channels lie in the tensors that come out of a call. By default the first tensor holds the output channels along <see cref="OutputAxis"/>.</summary>
    /// <param name="module">The layer.</param>
    /// <param name="outputs">What the call returned.</param>
    public virtual IReadOnlyList<TensorPort> OutputPorts(nn.Module module, IReadOnlyList<Tensor> outputs) =>
        outputs.Count > 0 ? [new TensorPort(0, OutputAxis(module, outputs[0]), ChannelAxis.Output)] : [];

    /// <summary>Multiply-accumulate operations of one call with given widths. By default <see cref="MacsPerPair"/> for every connected pair.</summary>
    /// <param name="module">The layer; only its kind and kernel matter, not its present widths.</param>
    /// <param name="mapping">How outputs depend on inputs at those widths.</param>
    /// <param name="inputChannels">Input channels.</param>
    /// <param name="outputChannels">Output channels.</param>
    /// <param name="inputShape">Shape of the first tensor that went in when the model was traced.</param>
    /// <param name="outputShape">Shape of the first tensor that came out.</param>
    public virtual long Macs(
        nn.Module module, ChannelMapping mapping, IReadOnlyList<int> inputChannels, int outputChannels, ReadOnlySpan<long> inputShape, ReadOnlySpan<long> outputShape)
    {
        long inputs = inputChannels.Sum();
        var pairs = mapping switch
        {
            ChannelMapping.ChannelWise => outputChannels,
            ChannelMapping.Grouped => inputs * outputChannels / Blocks(module),
            _ => inputs * outputChannels,
        };
        return pairs * MacsPerPair(module, inputShape, outputShape);
    }

    /// <summary>The widths of the tensors that make up the input side, in order; their sum is <see cref="InputChannels"/>. One entry unless a layer joins several inputs (bilinear).</summary>
    public virtual IReadOnlyList<int> InputSides(nn.Module module) => [InputChannels(module)];

    /// <summary>
    /// What a call would give if the layer had only some of its channels, computed at full width without cutting anything. Needed only by layers whose output for one channel depends on
    /// others by more than a weighted sum (norms over channels, attention): masking their inputs with zeros is not the same as removing them.
    /// </summary>
    /// <param name="module">The layer at full width.</param>
    /// <param name="inputs">The tensors of the call at full width.</param>
    /// <param name="keptInputs">Input channels that stay, ascending.</param>
    /// <param name="keptOutputs">Output channels that stay, ascending.</param>
    /// <returns>The narrow outputs, in the order of the call's own; null where zeros in the weights say it all. Owned by the caller.</returns>
    public virtual IReadOnlyList<Tensor>? OutputsOn(nn.Module module, IReadOnlyList<Tensor?> inputs, IReadOnlyList<int> keptInputs, IReadOnlyList<int> keptOutputs) => null;

    /// <summary>Called after a cut, when tensors and widths are the new ones: corrects values for what the layer computes from its width (attention divides by the root of the head width).</summary>
    /// <param name="module">The cut layer.</param>
    /// <param name="inputChannelsBefore">Input channels before the cut.</param>
    /// <param name="outputChannelsBefore">Output channels before the cut.</param>
    public virtual void AfterCut(nn.Module module, int inputChannelsBefore, int outputChannelsBefore)
    {
    }

    /// <summary>
    /// A fresh module of the same kind and options with other widths, on the same device and of the same type, for layers that keep their widths where nothing can change them
    /// (TorchSharp's native modules). The cut then exchanges the inner state of the two; the layer itself stays the same object. Null for layers that are narrowed in place.
    /// </summary>
    /// <param name="module">The layer.</param>
    /// <param name="inputChannels">Input channels wanted.</param>
    /// <param name="outputChannels">Output channels wanted.</param>
    internal virtual nn.Module? Resized(nn.Module module, int inputChannels, int outputChannels) => null;

    /// <summary>Whether the layer is exchanged for a resized one rather than narrowed in place.</summary>
    internal virtual bool IsExchanged => false;

    /// <summary>Whether the output is the sum, over the input's channels, of the channel times weights that no other channel has a say in: zeros in a channel then say the same as zeros in its weights.</summary>
    internal virtual bool ReadsLinearly(nn.Module module) => false;

    /// <summary>How many places of its input one output place is a weighted sum of, where <see cref="PatchesAt"/> can gather them; otherwise 0.</summary>
    internal virtual int TapsSeen(nn.Module module) => 0;

    /// <summary>The number of output places of a call, samples included. Asked only of a layer whose <see cref="TapsSeen"/> is above 0, whose rule therefore overrides it.</summary>
    internal virtual long PlacesOf(nn.Module module, Tensor input) => throw new System.Diagnostics.UnreachableException($"{Kind} says that it sees no taps.");

    /// <summary>What the kernel sees at some output places, <c>[places, input channels, taps]</c>, zeros outside of the input; the caller's. Asked like <see cref="PlacesOf"/>.</summary>
    /// <param name="module">The layer.</param>
    /// <param name="input">The call's input.</param>
    /// <param name="places">Places, counted through samples and positions.</param>
    internal virtual Tensor PatchesAt(nn.Module module, Tensor input, long[] places) => throw new System.Diagnostics.UnreachableException($"{Kind} says that it sees no taps.");

    /// <summary>Watches the calls of a layer by hooks until the result is disposed. The default covers modules of up to three tensors that return one tensor or a pair.</summary>
    /// <param name="module">The layer.</param>
    /// <param name="watcher">What to do at each call.</param>
    /// <exception cref="PruningException">The module's signature is another one, and the rule does not override this.</exception>
    public virtual IDisposable Watch(nn.Module module, CallWatcher watcher) => CallHooks.Attach(module, Kind, watcher);
}
