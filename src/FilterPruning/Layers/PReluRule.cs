using TorchSharp.Modules;

namespace FilterPruning.Layers;

/// <summary><c>PReLU</c> with one slope per channel. With a single slope for all it holds nothing to shrink and needs no rule.</summary>
internal sealed class PReluRule : LayerRule
{
    public override string Kind => "PReLU";

    public override bool Handles(nn.Module module) => module is PReLU { num_parameters: > 1 };

    public override int InputChannels(nn.Module module) => (int)((PReLU)module).num_parameters;

    public override int OutputChannels(nn.Module module) => (int)((PReLU)module).num_parameters;

    public override ChannelMapping Mapping(nn.Module module) => ChannelMapping.ChannelWise;

    // [N, C, …]: PyTorch takes the second axis whatever follows.
    public override int InputAxis(nn.Module module, Tensor input) => 1;

    public override int OutputAxis(nn.Module module, Tensor output) => 1;

    public override IReadOnlyList<ChannelTensor> Tensors(nn.Module module) => [new ChannelTensor("weight", ((PReLU)module).weight, 0, null)];

    public override void SetWidths(nn.Module module, int inputChannels, int outputChannels) => Widths.SetPRelu((PReLU)module, outputChannels);
}
