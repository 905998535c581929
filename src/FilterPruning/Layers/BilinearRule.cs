using FilterPruning.Graph;
using TorchSharp.Modules;

namespace FilterPruning.Layers;

/// <summary><c>Bilinear</c>: y = x1ᵀ W x2 + b. Weight <c>[out, in1, in2]</c>. Its input side is the first input's channels followed by the second's.</summary>
internal sealed class BilinearRule : LayerRule
{
    public override string Kind => "Bilinear";

    public override bool Handles(nn.Module module) => module is Bilinear;

    public override int InputChannels(nn.Module module) => First(module) + Second(module);

    public override int OutputChannels(nn.Module module) => (int)((Bilinear)module).weight.shape[0];

    public override IReadOnlyList<int> InputSides(nn.Module module) => [First(module), Second(module)];

    public override int InputAxis(nn.Module module, Tensor input) => (int)input.dim() - 1;

    public override int OutputAxis(nn.Module module, Tensor output) => (int)output.dim() - 1;

    public override IReadOnlyList<TensorPort> InputPorts(nn.Module module, IReadOnlyList<Tensor?> inputs) =>
    [
        new TensorPort(0, (int)inputs[0]!.dim() - 1, ChannelAxis.Input) { Count = First(module) },
        new TensorPort(1, (int)inputs[1]!.dim() - 1, ChannelAxis.Input) { Offset = First(module), Count = Second(module) },
    ];

    public override IReadOnlyList<ChannelTensor> Tensors(nn.Module module) =>
        ((Bilinear)module).bias is { } bias ? [Filters(module), new ChannelTensor("bias", bias, 0, null)] : [Filters(module)];

    public override ChannelTensor Filters(nn.Module module) => new("weight", ((Bilinear)module).weight,
    [
        new TensorAxis(0, ChannelAxis.Output),
        new TensorAxis(1, ChannelAxis.Input) { Count = First(module) },
        new TensorAxis(2, ChannelAxis.Input) { Offset = First(module), Count = Second(module) },
    ]);

    public override long Macs(
        nn.Module module, ChannelMapping mapping, IReadOnlyList<int> inputChannels, int outputChannels, ReadOnlySpan<long> inputShape, ReadOnlySpan<long> outputShape) =>
        (long)inputChannels[0] * inputChannels[1] * outputChannels * ConvolutionGroups.PositionsWithoutChannels(outputShape, outputShape.Length - 1);

    public override void SetWidths(nn.Module module, int inputChannels, int outputChannels)
    {
        // The narrowed weight says how the inputs are shared out.
        var layer = (Bilinear)module;
        (layer.out_features, layer.in1_features, layer.in2_features) = (layer.weight.shape[0], layer.weight.shape[1], layer.weight.shape[2]);
    }

    private static int First(nn.Module module) => (int)((Bilinear)module).weight.shape[1];

    private static int Second(nn.Module module) => (int)((Bilinear)module).weight.shape[2];
}
