using FilterPruning.Graph;
using FilterPruning.Latency;
using FilterPruning.Layers;

namespace FilterPruning.Planning;

/// <summary>The exact cost of a model from which the weakest groups of each role are gone.</summary>
internal sealed class CostMeter
{
    private readonly DependencyGraph _graph;
    private readonly LatencyModel? _latency;
    private readonly List<(int Layer, bool Input, int[] Channels, int PerGroup)>[] _sides;

    /// <param name="graph">The graph.</param>
    /// <param name="roles">What may go.</param>
    /// <param name="latency">Needed for <see cref="TargetMeasure.Latency"/> alone.</param>
    /// <exception cref="PruningOptionsException">The latencies are of another model.</exception>
    public CostMeter(DependencyGraph graph, IReadOnlyList<PlanRole> roles, LatencyModel? latency = null)
    {
        (_graph, _latency) = (graph, latency);
        if (latency?.IsOf(graph) == false)
            throw new PruningOptionsException([$"{nameof(PruningOptions.Latency)} was measured on another model; allowed is one of the graph that is planned for. Measure it with this graph."]);
        var index = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var i = 0; i < graph.Layers.Count; i++)
            index[graph.Layers[i].Name] = i;
        _sides = [.. roles.Select(role => Sides(graph, role, index))];
    }

    /// <summary>What a measure says after the given numbers of groups are gone.</summary>
    public long Of(TargetMeasure measure, int[] counts)
    {
        var plans = Plans(counts);
        return measure switch
        {
            TargetMeasure.Parameters => ModelCost.Predict(_graph, plans).Parameters,
            TargetMeasure.Macs => ModelCost.Predict(_graph, plans).Macs,
            TargetMeasure.Bytes => StoredBytes.Predict(_graph, plans),
            TargetMeasure.Latency => (long)Math.Ceiling(1000 * _latency!.Of(plans)),
            _ => throw new ArgumentOutOfRangeException(nameof(measure), measure, $"{measure} is not a cost; allowed are Parameters, Macs, Bytes and Latency."),
        };
    }

    /// <summary>For each side the channels of the role's groups, in the order in which these go.</summary>
    private static List<(int Layer, bool Input, int[] Channels, int PerGroup)> Sides(DependencyGraph graph, PlanRole role, Dictionary<string, int> index)
    {
        var channels = role.Sides.ToDictionary(side => (side.Layer, side.Axis), _ => new List<int>());
        foreach (var member in role.Order.SelectMany(group => graph.Groups[group].Members))
            channels[(member.Layer, member.Axis)].Add(member.Channel);
        var sides = new List<(int, bool, int[], int)>();
        foreach (var side in role.Sides)
        {
            var layer = index[side.Layer];
            int[] list = [.. channels[(side.Layer, side.Axis)]];
            sides.Add((layer, side.Axis == ChannelAxis.Input, list, side.Channels));
            // A channel-wise layer's channel is one unit and is booked once, as an output.
            if (graph.Layers[layer].Mapping == ChannelMapping.ChannelWise)
                sides.Add((layer, side.Axis != ChannelAxis.Input, list, side.Channels));
        }

        return sides;
    }

    /// <summary>What every layer, by its index in the graph, loses when the weakest groups of each role are gone.</summary>
    public LayerPlan[] Plans(int[] counts)
    {
        var inputs = new List<int>?[_graph.Layers.Count];
        var outputs = new List<int>?[_graph.Layers.Count];
        for (var role = 0; role < counts.Length; role++)
        {
            if (counts[role] == 0)
                continue;
            foreach (var (layer, input, channels, perGroup) in _sides[role])
                ((input ? inputs : outputs)[layer] ??= []).AddRange(channels.AsSpan(0, counts[role] * perGroup));
        }

        return [.. _graph.Layers.Select((layer, i) => new LayerPlan(layer.Name, layer.Kind, layer.InputChannels, inputs[i] ?? [], layer.OutputChannels, outputs[i] ?? []))];
    }
}
