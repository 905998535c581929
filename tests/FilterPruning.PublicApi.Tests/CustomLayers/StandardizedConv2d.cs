using FilterPruning.Layers;
using TorchSharp.Modules;

namespace FilterPruning.PublicApi.Tests.CustomLayers;

/// <summary>A convolution whose filters are brought to mean 0 and variance 1 at each call (Qiao et al., "Weight Standardization", 2019). It has no attribute: its rule is given to the trace.</summary>
public sealed class StandardizedConv2d : nn.Module<Tensor, Tensor>
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
public sealed class StandardizedConv2dRule : LayerRule
{
    public override string Kind => nameof(StandardizedConv2d);

    public override bool Handles(nn.Module module) => module is StandardizedConv2d;

    public override int InputChannels(nn.Module module) => (int)Weight(module).shape[1];

    public override int OutputChannels(nn.Module module) => (int)Weight(module).shape[0];

    public override int InputAxis(nn.Module module, Tensor input) => 1;

    public override int OutputAxis(nn.Module module, Tensor output) => 1;

    public override IReadOnlyList<ChannelTensor> Tensors(nn.Module module) => [Filters(module)];

    public override ChannelTensor Filters(nn.Module module) => new("weight", Weight(module), outputAxis: 0, inputAxis: 1);

    public override long MacsPerPair(nn.Module module, ReadOnlySpan<long> inputShape, ReadOnlySpan<long> outputShape) =>
        outputShape[0] * outputShape[2] * outputShape[3] * Weight(module).shape[2] * Weight(module).shape[3];

    public override IReadOnlyList<Tensor> OutputsOn(nn.Module module, IReadOnlyList<Tensor?> inputs, IReadOnlyList<int> keptInputs, IReadOnlyList<int> keptOutputs)
    {
        using var scope = NewDisposeScope();
        var (kept, filters) = (Indices(keptInputs), Indices(keptOutputs));
        var weight = Weight(module).index_select(0, filters).index_select(1, kept);
        return [StandardizedConv2d.Convolve(inputs[0]!.index_select(1, kept), weight).MoveToOuterDisposeScope()];
    }

    public override void SetWidths(nn.Module module, int inputChannels, int outputChannels)
    {
        // The shape of the weight is all there is.
    }

    private static Tensor Indices(IReadOnlyList<int> channels) => tensor(channels.Select(channel => (long)channel).ToArray());

    private static Parameter Weight(nn.Module module) => ((StandardizedConv2d)module).weight;
}
