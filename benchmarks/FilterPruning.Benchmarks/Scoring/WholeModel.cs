using FilterPruning.Detection.Models;
using FilterPruning.Layers;

namespace FilterPruning.Benchmarks.Scoring;

/// <summary>Mask R-CNN R50-FPN with random weights, and what it takes to read those that are scored.</summary>
internal sealed class WholeModel : IDisposable
{
    private readonly (nint Address, long Bytes)[] _weights;

    /// <summary>Makes the model; libtorch's random state is left as it was.</summary>
    public WholeModel()
    {
        using var state = get_rng_state();
        manual_seed(0);
        Model = MaskRcnn.ResNet50Fpn(91);
        set_rng_state(state);
        var rules = new LayerRules();
        _weights =
        [
            .. from entry in Model.named_modules()
               let filters = rules.Find(entry.module)?.Filters(entry.module)
               where filters is { OutputAxis: not null }
               select (TensorBytes.Of(filters!.Tensor), filters!.Tensor.numel() * 4),
        ];
    }

    public MaskRcnnModel Model { get; }

    /// <summary>Bytes of all weights that have filters.</summary>
    public long Bytes => _weights.Sum(weight => weight.Bytes);

    /// <summary>Reads all of them once.</summary>
    public unsafe ulong Read(ReadLimit.Reader reader)
    {
        ulong sum = 0;
        foreach (var (address, bytes) in _weights)
            sum += reader((byte*)address, bytes);
        return sum;
    }

    public void Dispose() => Model.Dispose();
}
