using FilterPruning.Layers;
using TorchSharp.Modules;

namespace FilterPruning.PublicApi.Tests.CustomLayers;

/// <summary>A factor and a shift for each channel, with the width in a field of its own.</summary>
[LayerRule(typeof(ChannelAffineRule))]
internal sealed class ChannelAffine : nn.Module<Tensor, Tensor>
{
    /// <summary>[C]</summary>
    public readonly Parameter factor;

    /// <summary>[C]</summary>
    public readonly Parameter shift;

    /// <summary>The sum of all inputs so far, [C].</summary>
    public readonly Tensor seen;

    public ChannelAffine(int channels)
        : base(nameof(ChannelAffine))
    {
        Channels = channels;
        factor = new Parameter(rand(channels) + 0.5);
        shift = new Parameter(randn(channels) / 10);
        seen = zeros(channels);
        register_buffer("seen", seen);
        RegisterComponents();
    }

    public int Channels { get; set; }

    public override Tensor forward(Tensor input)
    {
        if (input.shape[1] != Channels)
            throw new ArgumentException($"Expected {Channels} channels, got {input.shape[1]}.");
        using var scope = NewDisposeScope();
        if (training)
        {
            using var guard = no_grad();
            seen.add_(input.sum([0, 2, 3]));
        }

        return ((input * factor.view(-1, 1, 1)) + shift.view(-1, 1, 1)).MoveToOuterDisposeScope();
    }
}

/// <summary>Channel-wise: output channel i depends on input channel i alone, so that both are one. Such layers name output axes alone.</summary>
internal sealed class ChannelAffineRule : LayerRule<ChannelAffine>
{
    public override ChannelMapping Mapping(nn.Module module) => ChannelMapping.ChannelWise;

    protected override IReadOnlyList<ChannelTensor> Describe(ChannelAffine layer) =>
    [
        new("factor", layer.factor, outputAxis: 0, inputAxis: null),
        new("shift", layer.shift, outputAxis: 0, inputAxis: null),
        new("seen", layer.seen, outputAxis: 0, inputAxis: null, TensorRole.Statistic),
    ];

    // The module checks its input against a field of its own.
    public override void SetWidths(nn.Module module, int inputChannels, int outputChannels) => ((ChannelAffine)module).Channels = outputChannels;
}
