using TorchSharp.Modules;

namespace FilterPruning.Layers;

/// <summary>
/// <c>BatchNorm1d</c>, <c>BatchNorm2d</c>, <c>BatchNorm3d</c> and the <c>InstanceNorm</c>s: channel-wise, with optional weight and bias
/// and optional running statistics, all <c>[C]</c>.
/// </summary>
internal sealed class NormRule : LayerRule
{
    private readonly Func<nn.Module, bool> _handles;
    private readonly int? _instanceDimensions;

    private NormRule(string kind, Func<nn.Module, bool> handles, int? instanceDimensions)
    {
        Kind = kind;
        _handles = handles;
        _instanceDimensions = instanceDimensions;
    }

    public override string Kind { get; }

    public static IReadOnlyList<LayerRule> All { get; } =
    [
        new NormRule("BatchNorm1d", m => m is BatchNorm1d, null),
        new NormRule("BatchNorm2d", m => m is BatchNorm2d, null),
        new NormRule("BatchNorm3d", m => m is BatchNorm3d, null),
        new NormRule("InstanceNorm1d", m => m is InstanceNorm1d, 1),
        new NormRule("InstanceNorm2d", m => m is InstanceNorm2d, 2),
        new NormRule("InstanceNorm3d", m => m is InstanceNorm3d, 3),
    ];

    public override bool Handles(nn.Module module) => _handles(module);

    public override int InputChannels(nn.Module module) => (int)((NormBase)module).num_features;

    public override int OutputChannels(nn.Module module) => (int)((NormBase)module).num_features;

    public override ChannelMapping Mapping(nn.Module module) => ChannelMapping.ChannelWise;

    // Batch norms take [N, C, …]; instance norms also take [C, …].
    public override int InputAxis(nn.Module module, Tensor input) => _instanceDimensions is { } d ? (int)input.dim() - d - 1 : 1;

    public override int OutputAxis(nn.Module module, Tensor output) => InputAxis(module, output);

    public override IReadOnlyList<ChannelTensor> Tensors(nn.Module module)
    {
        var layer = (NormBase)module;
        var tensors = new List<ChannelTensor>(4);
        Add("weight", layer.weight, TensorRole.Weight);
        Add("bias", layer.bias, TensorRole.Weight);
        Add("running_mean", layer.running_mean, TensorRole.Statistic);
        Add("running_var", layer.running_var, TensorRole.Statistic);
        return tensors;

        void Add(string name, Tensor? tensor, TensorRole role)
        {
            if (tensor is not null) tensors.Add(new ChannelTensor(name, tensor, 0, null, role));
        }
    }

    // A batch norm subtracts its running mean in evaluation mode; an instance norm the mean of the instance itself.
    public override ChannelTensor? InputOffset(nn.Module module) =>
        _instanceDimensions is null ? Tensors(module).FirstOrDefault(tensor => tensor.Name == "running_mean") : null;

    public override void SetWidths(nn.Module module, int inputChannels, int outputChannels) =>
        Widths.SetNorm((NormBase)module, outputChannels);
}
