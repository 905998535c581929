using FilterPruning.Layers;
using TorchSharp.Modules;

namespace FilterPruning.PublicApi.Tests.CustomLayers;

/// <summary>A convolution whose filters are brought to mean 0 and variance 1 at each call (Qiao et al., "Weight Standardization", 2019). It has no attribute: its rule is given to the trace.</summary>
internal sealed class StandardizedConv2d : nn.Module<Tensor, Tensor>
{
    /// <summary>[out, in, k, k]</summary>
    public readonly Parameter weight;

    public StandardizedConv2d(long inputs, long outputs, long kernel)
        : base(nameof(StandardizedConv2d))
    {
        weight = new Parameter(randn(outputs, inputs, kernel, kernel));
        RegisterComponents();
    }

    public override Tensor forward(Tensor input) => Convolve(input, weight);

    public static Tensor Convolve(Tensor input, Tensor weight)
    {
        using var scope = NewDisposeScope();
        var (mean, deviation) = (weight.mean([1, 2, 3], keepdim: true), weight.std([1, 2, 3], unbiased: false, keepdim: true));
        var standardized = (weight - mean) / (deviation + 1e-5) / Math.Sqrt(weight[0].numel());
        return nn.functional.conv2d(input, standardized, padding: [weight.shape[2] / 2, weight.shape[3] / 2]).MoveToOuterDisposeScope();
    }
}

/// <summary>
/// Dense, but not a plain weighted sum: with fewer inputs, mean and deviation of each filter are others. Zeros in the weight would not be the same as removing, so the rule says itself what a
/// narrow layer gives.
/// </summary>
internal sealed class StandardizedConv2dRule : LayerRule<StandardizedConv2d>
{
    protected override IReadOnlyList<ChannelTensor> Describe(StandardizedConv2d layer) => [new("weight", layer.weight, outputAxis: 0, inputAxis: 1)];

    // Every output position reads the whole kernel once.
    public override long MacsPerPair(nn.Module module, ReadOnlySpan<long> inputShape, ReadOnlySpan<long> outputShape)
    {
        var weight = ((StandardizedConv2d)module).weight.shape;
        return outputShape[0] * outputShape[2] * outputShape[3] * weight[2] * weight[3];
    }

    public override IReadOnlyList<Tensor> OutputsOn(nn.Module module, IReadOnlyList<Tensor?> inputs, IReadOnlyList<int> keptInputs, IReadOnlyList<int> keptOutputs)
    {
        using var scope = NewDisposeScope();
        var (kept, filters) = (Indices(keptInputs), Indices(keptOutputs));
        var weight = ((StandardizedConv2d)module).weight.index_select(0, filters).index_select(1, kept);
        return [StandardizedConv2d.Convolve(inputs[0]!.index_select(1, kept), weight).MoveToOuterDisposeScope()];
    }

    private static Tensor Indices(IReadOnlyList<int> channels) => tensor(channels.Select(channel => (long)channel).ToArray());
}
