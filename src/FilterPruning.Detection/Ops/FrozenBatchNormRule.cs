using FilterPruning.Layers;

namespace FilterPruning.Detection.Ops;

/// <summary>How <see cref="FrozenBatchNorm2d"/> shrinks: channel-wise, four vectors of one element per channel.</summary>
public sealed class FrozenBatchNormRule : LayerRule
{
    /// <inheritdoc/>
    public override string Kind => nameof(FrozenBatchNorm2d);

    /// <inheritdoc/>
    public override bool Handles(nn.Module module) => module is FrozenBatchNorm2d;

    /// <inheritdoc/>
    public override int InputChannels(nn.Module module) => (int)Norm(module).NumFeatures;

    /// <inheritdoc/>
    public override int OutputChannels(nn.Module module) => (int)Norm(module).NumFeatures;

    /// <inheritdoc/>
    public override ChannelMapping Mapping(nn.Module module) => ChannelMapping.ChannelWise;

    /// <inheritdoc/>
    public override int InputAxis(nn.Module module, Tensor input) => 1;

    /// <inheritdoc/>
    public override int OutputAxis(nn.Module module, Tensor output) => 1;

    /// <inheritdoc/>
    public override IReadOnlyList<ChannelTensor> Tensors(nn.Module module)
    {
        var norm = Norm(module);
        return
        [
            new ChannelTensor("weight", norm.weight, 0, null),
            new ChannelTensor("bias", norm.bias, 0, null),
            new ChannelTensor("running_mean", norm.running_mean, 0, null, TensorRole.Statistic),
            new ChannelTensor("running_var", norm.running_var, 0, null, TensorRole.Statistic),
        ];
    }

    /// <inheritdoc/>
    public override ChannelTensor? InputOffset(nn.Module module) => new("running_mean", Norm(module).running_mean, 0, null, TensorRole.Statistic);

    /// <summary>Writes nothing: the module reads its width from its tensors.</summary>
    public override void SetWidths(nn.Module module, int inputChannels, int outputChannels)
    {
    }

    private static FrozenBatchNorm2d Norm(nn.Module module) =>
        module as FrozenBatchNorm2d ?? throw new ArgumentException($"This rule describes {nameof(FrozenBatchNorm2d)}; given {module.GetType().Name}.", nameof(module));
}
