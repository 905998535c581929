using FilterPruning.Inference;

namespace FilterPruning.Detection.Models;

/// <summary>Keeps a detector prepared for inference until it is disposed. See <see cref="MaskRcnnModel.PrepareForInference"/>.</summary>
public sealed class PreparedInference : IDisposable
{
    private readonly IFusedLayer[] _fusions;
    private readonly MaskRcnnModel _model;
    private readonly Action _ended;
    private bool _isEnded;

    internal PreparedInference(MaskRcnnModel model, IEnumerable<IFusedLayer> fusions, Action ended)
    {
        (_model, _fusions, _ended) = (model, [.. fusions], ended);
        foreach (var fusion in _fusions)
            fusion.Prepare();
    }

    /// <summary>The detector runs layer by layer again, and what was prepared is let go of.</summary>
    /// <exception cref="InvalidOperationException">The detector is detecting on another thread: what it reads cannot be let go of.</exception>
    public void Dispose()
    {
        if (_isEnded)
            return;
        using var alone = ModelUse.Change(_model, "the end of a preparation for inference");
        foreach (var fusion in _fusions)
            fusion.Release();
        _isEnded = true;
        _ended();
    }
}
