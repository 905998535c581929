namespace FilterPruning.Layers;

/// <summary>
/// The short way to describe a layer type of your own: name its tensors and the axes along which channels lie, and everything else follows from their shapes. For a layer that
/// takes one tensor and returns one.
/// </summary>
/// <typeparam name="TModule">The layer's class.</typeparam>
/// <remarks>
/// <para>Worked example: a convolution as the product of two smaller ones, <c>down</c> <c>[rank, in, k, k]</c> and <c>up</c> <c>[out, rank, 1, 1]</c>. Input channels lie along axis 1 of
/// <c>down</c>, output channels along axis 0 of <c>up</c> and of <c>bias</c>:</para>
/// <code>
/// public sealed class LowRankConv2dRule : LayerRule&lt;LowRankConv2d&gt;
/// {
///     protected override IReadOnlyList&lt;ChannelTensor&gt; Describe(LowRankConv2d layer) =&gt;
///     [
///         new("up", layer.up, outputAxis: 0, inputAxis: null),
///         new("bias", layer.bias, outputAxis: 0, inputAxis: null),
///         new("down", layer.down, outputAxis: null, inputAxis: 1),
///     ];
/// }
/// </code>
/// <para>Override more only where a default does not fit: <see cref="LayerRule.Mapping"/> for layers that work channel by channel, <see cref="LayerRule.InputAxis"/> and
/// <see cref="LayerRule.OutputAxis"/> where channels do not lie along axis 1, <see cref="LayerRule.SetWidths"/> where the module keeps its widths in fields of its own,
/// <see cref="LayerRule.OutputsOn"/> where the output is more than a weighted sum. A wrong description is found out by the proof, which rolls the cut back.</para>
/// </remarks>
public abstract class LayerRule<TModule> : LayerRule
    where TModule : nn.Module
{
    /// <summary>The class's name.</summary>
    public override string Kind => typeof(TModule).Name;

    /// <inheritdoc/>
    public override bool Handles(nn.Module module) => module is TModule;

    /// <summary>
    /// Every parameter and buffer of the layer that has a channel axis. The first weight with an output axis holds the layer's filters, whose size says how important each is; it comes first by
    /// convention. A layer that works channel by channel names output axes alone.
    /// </summary>
    /// <param name="layer">The layer as it is now.</param>
    protected abstract IReadOnlyList<ChannelTensor> Describe(TModule layer);

    /// <inheritdoc/>
    public sealed override IReadOnlyList<ChannelTensor> Tensors(nn.Module module) => Describe((TModule)module);

    /// <summary>By default the length of the first input axis, times the blocks of a grouped layer; of a channel-wise layer, its output channels.</summary>
    /// <param name="module">The layer.</param>
    public override int InputChannels(nn.Module module)
    {
        if (Mapping(module) == ChannelMapping.ChannelWise) return OutputChannels(module);
        var tensor = Tensors(module).FirstOrDefault(tensor => tensor.InputAxis is not null) ?? throw Missing("input");
        return (int)tensor.Tensor.shape[tensor.InputAxis!.Value] * Blocks(module);
    }

    /// <summary>By default the length of the first output axis.</summary>
    /// <param name="module">The layer.</param>
    public override int OutputChannels(nn.Module module)
    {
        var tensor = Tensors(module).FirstOrDefault(tensor => tensor.OutputAxis is not null) ?? throw Missing("output");
        return (int)tensor.Tensor.shape[tensor.OutputAxis!.Value];
    }

    /// <summary>By default 1: <c>[N, C, …]</c>.</summary>
    /// <param name="module">The layer.</param>
    /// <param name="input">A tensor that goes in.</param>
    public override int InputAxis(nn.Module module, Tensor input) => 1;

    /// <summary>By default 1: <c>[N, C, …]</c>.</summary>
    /// <param name="module">The layer.</param>
    /// <param name="output">A tensor that comes out.</param>
    public override int OutputAxis(nn.Module module, Tensor output) => 1;

    /// <summary>By default the first weight with an output axis; null for a channel-wise layer.</summary>
    /// <param name="module">The layer.</param>
    public override ChannelTensor? Filters(nn.Module module) => Mapping(module) == ChannelMapping.ChannelWise
        ? null : Tensors(module).FirstOrDefault(tensor => tensor is { Role: TensorRole.Weight, OutputAxis: not null });

    /// <summary>By default nothing: the shapes of the tensors are the widths.</summary>
    /// <param name="module">The layer.</param>
    /// <param name="inputChannels">Input channels after the cut.</param>
    /// <param name="outputChannels">Output channels after the cut.</param>
    public override void SetWidths(nn.Module module, int inputChannels, int outputChannels)
    {
    }

    private PruningException Missing(string side) => new(
        $"The rule of {Kind} names no tensor with an {side} axis, so that the layer's {side} channels cannot be counted. Give one of its tensors that axis, or override {char.ToUpperInvariant(side[0])}{side[1..]}Channels.");
}
