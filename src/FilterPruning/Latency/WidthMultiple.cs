using FilterPruning.Graph;
using FilterPruning.Layers;

namespace FilterPruning.Latency;

/// <summary>Which multiples widths should have on this machine, by measurement.</summary>
internal static class WidthMultiple
{
    private const int Largest = 16;
    private const int LayersTimed = 5;

    // Less than this is noise, and not worth the freedom that is lost.
    private const double LeastGain = 0.02;

    /// <summary>
    /// The largest multiple that pays: where widths that are rounded to the nearest one are faster on average than widths rounded to the next smaller multiple, at the same width on average.
    /// </summary>
    /// <remarks>
    /// A layer is timed at the widths around two multiples of 16, near a half and three quarters of its own, as many below as above: rounded to the nearest, they stay as wide on average, so that a time that simply grows with the width gains
    /// nothing, and one that grows in steps gains half a step.
    /// </remarks>
    /// <param name="layers">The layers.</param>
    /// <param name="whole">What each takes.</param>
    /// <param name="time">Milliseconds of a call with so many input and output channels.</param>
    public static int Of(IReadOnlyList<TracedLayer> layers, IReadOnlyDictionary<string, double> whole, Func<TracedLayer, LayerCall, int, int, double> time)
    {
        var costly = layers.Where(layer => layer.Mapping == ChannelMapping.Dense && Math.Min(layer.InputChannels, layer.OutputChannels) >= 2 * Largest)
            .GroupBy(layer => (layer.Kind, layer.InputChannels, layer.OutputChannels))
            .Select(alike => (Layer: alike.MaxBy(layer => whole[layer.Name])!, Weight: alike.Sum(layer => whole[layer.Name])))
            .OrderByDescending(shape => shape.Weight).Take(LayersTimed).ToList();
        if (costly.Count == 0)
            return 1;
        var curves = costly.SelectMany(shape => Centres(shape.Layer).Select(centre => (Times: Around(shape.Layer, centre), shape.Weight))).ToList();
        var (best, least) = (1, Mean(1));
        for (var multiple = 2; multiple <= Largest; multiple *= 2)
        {
            var mean = Mean(multiple);
            if (mean < least * (1 - LeastGain))
                (best, least) = (multiple, mean);
        }

        return best;

        static IEnumerable<int> Centres(TracedLayer layer)
        {
            var width = Math.Min(layer.InputChannels, layer.OutputChannels);
            return new[] { width / 2, width * 3 / 4 }.Select(near => Math.Max(1, near / Largest) * Largest).Distinct();
        }

        // At widths of the narrower side from 8 below to 8 above. The other side goes along where it is as wide, and stays whole otherwise.
        double[] Around(TracedLayer layer, int centre)
        {
            var (inputs, outputs) = (layer.InputChannels, layer.OutputChannels);
            return [.. Enumerable.Range(centre - (Largest / 2), Largest + 1)
                .Select(width => time(layer, layer.Calls[0], inputs <= outputs ? width : inputs, outputs <= inputs ? width : outputs))];
        }

        // Of all layers by the time they take: the mean time, relative to the longest, when every width around is rounded to the nearest multiple.
        double Mean(int multiple) => curves.Sum(curve => curve.Weight * Rounded(curve.Times, multiple) / curve.Times.Max()) / curves.Sum(curve => curve.Weight);
    }

    // A width half-way goes to both sides alike, and so do those at the ends of the stretch: multiples at the ends count half.
    private static double Rounded(double[] times, int multiple)
    {
        if (multiple == Largest)
            return times[Largest / 2];
        var (total, count) = (0.0, 0.0);
        for (var place = 0; place < times.Length; place += multiple)
        {
            var weight = place == 0 || place == Largest ? 0.5 : 1;
            total += weight * times[place];
            count += weight;
        }

        return total / count;
    }
}
