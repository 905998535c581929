using FilterPruning.Layers;
using TorchSharp.Modules;

namespace FilterPruning.PublicApi.Tests.CustomLayers;

/// <summary>A convolution as the product of two smaller ones. Its rule is named by the attribute.</summary>
[LayerRule(typeof(LowRankConv2dRule))]
internal sealed class LowRankConv2d : nn.Module<Tensor, Tensor>
{
    /// <summary>[rank, in, k, k]</summary>
    public readonly Parameter down;

    /// <summary>[out, rank, 1, 1]</summary>
    public readonly Parameter up;

    /// <summary>[out]</summary>
    public readonly Parameter bias;

    public LowRankConv2d(long inputs, long outputs, long kernel, long rank)
        : base(nameof(LowRankConv2d))
    {
        down = new Parameter(randn(rank, inputs, kernel, kernel) / Math.Sqrt(inputs * kernel * kernel));
        up = new Parameter(randn(outputs, rank, 1, 1) / Math.Sqrt(rank));
        bias = new Parameter(zeros(outputs));
        RegisterComponents();
    }

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var few = nn.functional.conv2d(input, down, padding: [down.shape[2] / 2, down.shape[3] / 2]);   // [N, rank, H, W]
        return nn.functional.conv2d(few, up, bias).MoveToOuterDisposeScope();                          // [N, out, H, W]
    }
}

/// <summary>Dense: every output channel depends on every input channel. The rank stays.</summary>
internal sealed class LowRankConv2dRule : LayerRule<LowRankConv2d>
{
    protected override IReadOnlyList<ChannelTensor> Describe(LowRankConv2d layer) =>
    [
        new("up", layer.up, outputAxis: 0, inputAxis: null),
        new("bias", layer.bias, outputAxis: 0, inputAxis: null),
        new("down", layer.down, outputAxis: null, inputAxis: 1),
    ];

    // The work is rank · (in · k · k + out) per position: no number for each pair of channels.
    public override long Macs(
        nn.Module module, ChannelMapping mapping, IReadOnlyList<int> inputChannels, int outputChannels, ReadOnlySpan<long> inputShape, ReadOnlySpan<long> outputShape)
    {
        var down = ((LowRankConv2d)module).down.shape;
        return outputShape[0] * outputShape[2] * outputShape[3] * down[0] * ((inputChannels[0] * down[2] * down[3]) + outputChannels);
    }
}
