using FilterPruning.Detection.Models;

namespace FilterPruning.Cli.Study;

/// <summary>A copy of a model's weights that puts them back when it is disposed.</summary>
internal sealed class KeptWeights : IDisposable
{
    private readonly List<(Tensor Parameter, Tensor Copy)> _kept;

    public KeptWeights(MaskRcnnModel model)
    {
        using var noGrad = no_grad();
        _kept = [.. model.parameters().Select(parameter => ((Tensor)parameter, parameter.detach().clone().DetachFromDisposeScope()))];
    }

    public void Dispose()
    {
        using var noGrad = no_grad();
        foreach (var (parameter, copy) in _kept)
        {
            parameter.copy_(copy);
            copy.Dispose();
        }
    }
}
