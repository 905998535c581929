using FilterPruning.Layers;
using TorchSharp.Modules;

namespace FilterPruning.PublicApi.Tests.CustomLayers;

/// <summary>A factor and a shift for each channel, with the width in a field of its own.</summary>
[LayerRule(typeof(ChannelAffineRule))]
public class ChannelAffine : nn.Module<Tensor, Tensor>
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

    public int Channels { get; internal set; }

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

/// <summary>Channel-wise: output channel i depends on input channel i alone, so that both are one.</summary>
public sealed class ChannelAffineRule : LayerRule
{
    public override string Kind => nameof(ChannelAffine);

    public override bool Handles(nn.Module module) => module is ChannelAffine;

    public override ChannelMapping Mapping(nn.Module module) => ChannelMapping.ChannelWise;

    public override int InputChannels(nn.Module module) => Layer(module).Channels;

    public override int OutputChannels(nn.Module module) => Layer(module).Channels;

    public override int InputAxis(nn.Module module, Tensor input) => 1;

    public override int OutputAxis(nn.Module module, Tensor output) => 1;

    // Channel-wise layers name the output axis alone.
    public override IReadOnlyList<ChannelTensor> Tensors(nn.Module module) =>
    [
        new("factor", Layer(module).factor, outputAxis: 0, inputAxis: null),
        new("shift", Layer(module).shift, outputAxis: 0, inputAxis: null),
        new("seen", Layer(module).seen, outputAxis: 0, inputAxis: null, TensorRole.Statistic),
    ];

    public override void SetWidths(nn.Module module, int inputChannels, int outputChannels) => Layer(module).Channels = outputChannels;

    private static ChannelAffine Layer(nn.Module module) => (ChannelAffine)module;
}
