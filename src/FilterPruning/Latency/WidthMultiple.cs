using FilterPruning.Graph;
using FilterPruning.Layers;

namespace FilterPruning.Latency;

/// <summary>Which multiples widths should have on this machine, by measurement.</summary>
internal static class WidthMultiple
{
    private const int Largest = 16;
    private const int LayersTimed = 3;

    // Less than this is noise, and not worth the freedom that is lost.
    private const double LeastGain = 0.03;

    /// <summary>
    /// The largest multiple that pays: where rounding every width of a stretch up to it, wider layers included, is faster on average than the next smaller multiple.
    /// </summary>
    /// <param name="layers">The layers.</param>
    /// <param name="whole">What each takes.</param>
    /// <param name="time">Milliseconds of a call with so many channels on both sides.</param>
    public static int Of(IReadOnlyList<TracedLayer> layers, IReadOnlyDictionary<string, double> whole, Func<TracedLayer, LayerCall, int, double> time)
    {
        var costly = layers.Where(layer => layer.Mapping == ChannelMapping.Dense && Math.Min(layer.InputChannels, layer.OutputChannels) >= 3 * Largest)
            .OrderByDescending(layer => whole[layer.Name]).DistinctBy(layer => (layer.Kind, layer.InputChannels, layer.OutputChannels)).Take(LayersTimed).ToList();
        if (costly.Count == 0)
            return 1;
        // The stretch of widths below three quarters of a layer: [top − 15, top], where top is a multiple of 16.
        var curves = costly.Select(layer =>
        {
            var top = Math.Min(layer.InputChannels, layer.OutputChannels) * 3 / 4 / Largest * Largest;
            return Enumerable.Range(top - Largest + 1, Largest).Select(width => time(layer, layer.Calls[0], width)).ToArray();
        }).ToList();
        var (best, least) = (1, Mean(1));
        for (var multiple = 2; multiple <= Largest; multiple *= 2)
        {
            var mean = Mean(multiple);
            if (mean < least * (1 - LeastGain))
                (best, least) = (multiple, mean);
        }

        return best;

        // Of all layers alike: the mean time, relative to the layer's longest, when every width of the stretch is rounded up.
        double Mean(int multiple) => curves.Average(curve =>
            Enumerable.Range(1, Largest).Average(place => curve[((place + multiple - 1) / multiple * multiple) - 1]) / curve.Max());
    }
}
