using FilterPruning.Graph;
using FilterPruning.Layers;
using TorchSharp.Modules;

namespace FilterPruning.Recovery;

/// <summary>The running mean and variance of a norm, float <c>[channels]</c> each; the norm's own tensors.</summary>
internal readonly record struct RunningStatistics(Tensor Mean, Tensor Variance)
{
    private const string VarianceName = "running_var";

    /// <summary>The statistics of a layer that subtracts a running mean and divides by the root of a running variance; null for every other layer.</summary>
    public static RunningStatistics? Of(LayerRule rule, nn.Module module) =>
        rule.InputOffset(module) is { } mean && rule.Tensors(module).FirstOrDefault(tensor => tensor is { Role: TensorRole.Statistic, Name: VarianceName }) is { } variance
            ? new RunningStatistics(mean.Tensor, variance.Tensor)
            : null;

    /// <summary>Whether a layer is a <c>BatchNorm</c> with running statistics.</summary>
    public static bool IsBatchNorm(TracedLayer layer) => layer.Module is BatchNorm && Of(layer.Rule, layer.Module) is not null;

    /// <summary>Whether a batch norm learns: at least one of its parameters is trainable, or it has none.</summary>
    public static bool AreLive(TracedLayer layer)
    {
        var parameters = layer.Module.parameters(recurse: false).ToList();
        return parameters.Count == 0 || parameters.Any(parameter => parameter.requires_grad);
    }
}
