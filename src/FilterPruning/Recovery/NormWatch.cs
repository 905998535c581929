using FilterPruning.Graph;
using FilterPruning.Layers;

namespace FilterPruning.Recovery;

/// <summary>
/// Finds the layers whose output goes straight into a norm of their own: the very same tensor object goes in there, on every call of both.
/// Such a norm can take over a constant that the layer itself has no bias for.
/// </summary>
internal sealed class NormWatch(IReadOnlyList<TracedLayer> layers, LayerSources sources)
{
    private readonly Dictionary<TracedLayer, int> _calls = [];
    private readonly Dictionary<(TracedLayer Layer, TracedLayer Norm), int> _pairs = [];

    public void Attach(HookSet hooks)
    {
        var producerOf = new Dictionary<Tensor, TracedLayer>(ReferenceEqualityComparer.Instance);
        foreach (var layer in layers)
        {
            if (layer.Rule.InputOffset(layer.Module) is not null)
            {
                hooks.Before(layer, input =>
                {
                    _calls[layer] = _calls.GetValueOrDefault(layer) + 1;
                    if (producerOf.Remove(input, out var producer))
                        _pairs[(producer, layer)] = _pairs.GetValueOrDefault((producer, layer)) + 1;
                });
            }
            else if (layer.Mapping != ChannelMapping.ChannelWise)
            {
                hooks.After(layer, output =>
                {
                    _calls[layer] = _calls.GetValueOrDefault(layer) + 1;
                    producerOf[output] = layer;
                });
            }
        }
    }

    /// <summary>The norm that follows the layer and nothing else, or null.</summary>
    public TracedLayer? After(TracedLayer layer)
    {
        var norm = _pairs.Keys.FirstOrDefault(pair => ReferenceEquals(pair.Layer, layer)).Norm;
        if (norm is null)
            return null;
        var together = _pairs[(layer, norm)];
        return together == _calls[layer] && together == _calls[norm] && sources.FeedsOnly(layer, norm) ? norm : null;
    }
}
