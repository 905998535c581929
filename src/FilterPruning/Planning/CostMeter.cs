using FilterPruning.Graph;
using FilterPruning.Layers;

namespace FilterPruning.Planning;

/// <summary>The exact cost of a model from which some groups of each role are gone.</summary>
internal sealed class CostMeter
{
    private readonly DependencyGraph _graph;
    private readonly (int Layer, bool Input, int Channels)[][] _sides;

    public CostMeter(DependencyGraph graph, IReadOnlyList<PlanRole> roles)
    {
        _graph = graph;
        var index = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var i = 0; i < graph.Layers.Count; i++)
            index[graph.Layers[i].Name] = i;
        _sides = [.. roles.Select(role => role.Sides.Select(side => (index[side.Layer], side.Axis == ChannelAxis.Input, side.Channels)).ToArray())];
    }

    /// <summary>What a measure says after the given numbers of groups are gone.</summary>
    public long Of(TargetMeasure measure, int[] counts)
    {
        var removed = Removed(counts);
        return measure switch
        {
            TargetMeasure.Parameters => ModelCost.Predict(_graph, layer => removed[layer]).Parameters,
            TargetMeasure.Macs => ModelCost.Predict(_graph, layer => removed[layer]).Macs,
            TargetMeasure.Bytes => StoredBytes.Predict(_graph, layer => removed[layer]),
            _ => throw new ArgumentOutOfRangeException(nameof(measure), measure, $"{measure} is not a cost; allowed are Parameters, Macs and Bytes."),
        };
    }

    private (int Inputs, int Outputs)[] Removed(int[] counts)
    {
        var removed = new (int Inputs, int Outputs)[_graph.Layers.Count];
        for (var role = 0; role < counts.Length; role++)
        {
            if (counts[role] == 0)
                continue;
            foreach (var (layer, input, channels) in _sides[role])
            {
                // A channel-wise layer's channel is one unit and is booked once, as an output.
                if (input || _graph.Layers[layer].Mapping == ChannelMapping.ChannelWise)
                    removed[layer].Inputs += counts[role] * channels;
                if (!input)
                    removed[layer].Outputs += counts[role] * channels;
            }
        }

        return removed;
    }
}
