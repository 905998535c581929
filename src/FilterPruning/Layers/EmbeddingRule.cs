using FilterPruning.Graph;
using TorchSharp.Modules;

namespace FilterPruning.Layers;

/// <summary><c>Embedding</c>: makes channels along the last axis out of indices. Weight <c>[rows, out]</c>. Rows are no channels and stay.</summary>
internal sealed class EmbeddingRule : LayerRule
{
    public override string Kind => "Embedding";

    public override bool Handles(nn.Module module) => module is Embedding;

    public override int InputChannels(nn.Module module) => 0;

    public override int OutputChannels(nn.Module module) => (int)Weight(module).shape[1];

    public override int InputAxis(nn.Module module, Tensor input) => (int)input.dim() - 1;

    public override int OutputAxis(nn.Module module, Tensor output) => (int)output.dim() - 1;

    public override IReadOnlyList<TensorPort> InputPorts(nn.Module module, IReadOnlyList<Tensor?> inputs) => [];

    public override IReadOnlyList<ChannelTensor> Tensors(nn.Module module) => [Filters(module)];

    public override ChannelTensor Filters(nn.Module module) => new("weight", Weight(module), 1, null);

    public override void SetWidths(nn.Module module, int inputChannels, int outputChannels)
    {
        // The native module looks at its weight alone.
    }

    // Not the property: it makes a new object at each call.
    private static Parameter Weight(nn.Module module) => OwnParameters.Get(module, "weight");
}
