using FilterPruning.Inference;

namespace FilterPruning.Detection.Models;

/// <summary>Keeps a detector prepared for inference until it is disposed. See <see cref="MaskRcnnModel.PrepareForInference"/>.</summary>
public sealed class PreparedInference : IDisposable
{
    private readonly IFusedLayer[] _fusions;
    private Action? _ended;

    internal PreparedInference(IEnumerable<IFusedLayer> fusions, Action ended)
    {
        _fusions = [.. fusions];
        _ended = ended;
        foreach (var fusion in _fusions)
            fusion.Prepare();
    }

    /// <summary>The detector runs layer by layer again, and what was prepared is let go of.</summary>
    public void Dispose()
    {
        foreach (var fusion in _fusions)
            fusion.Release();
        Interlocked.Exchange(ref _ended, null)?.Invoke();
    }
}
