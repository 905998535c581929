using FilterPruning.Graph;
using FilterPruning.Layers;

namespace FilterPruning.Planning;

/// <summary>The width of each side of each layer while groups are being removed; no output may fall below its minimum, no input to nothing.</summary>
internal sealed class LayerWidths
{
    private readonly (int Side, int Count)[][] _sides;
    private readonly int[] _width;
    private readonly int[] _least;

    public LayerWidths(DependencyGraph graph, IReadOnlyList<PlanRole> roles, PruningOptions options, PlanHistory? history = null)
    {
        _width = new int[2 * graph.Layers.Count];
        _least = new int[2 * graph.Layers.Count];
        var index = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var i = 0; i < graph.Layers.Count; i++)
        {
            var layer = graph.Layers[i];
            index[layer.Name] = i;
            var original = history?.OriginalWidth(layer.Name, layer.OutputChannels) ?? layer.OutputChannels;
            _width[2 * i] = layer.OutputChannels;
            _least[2 * i] = Math.Max(options.MinimumWidth, (int)Math.Ceiling(original * (1 - (decimal)options.MaximumLayerRatio)));
            _width[(2 * i) + 1] = layer.InputChannels;
            _least[(2 * i) + 1] = layer.Mapping == ChannelMapping.ChannelWise ? 0 : 1;
        }

        _sides = [.. roles.Select(role => role.Sides.Select(side => ((2 * index[side.Layer]) + (side.Axis == ChannelAxis.Input ? 1 : 0), side.Channels)).ToArray())];
    }

    private LayerWidths(LayerWidths other)
    {
        _sides = other._sides;
        _width = [.. other._width];
        _least = other._least;
    }

    /// <summary>A copy that goes its own way.</summary>
    public LayerWidths Copy() => new(this);

    /// <summary>How many more groups of a role every layer can spare.</summary>
    public int Spare(int role)
    {
        var spare = int.MaxValue;
        foreach (var (side, count) in _sides[role])
            spare = Math.Min(spare, (_width[side] - _least[side]) / count);
        return Math.Max(0, spare);
    }

    /// <summary>Takes the channels of some groups of a role away; a negative number gives them back.</summary>
    public void Remove(int role, int groups)
    {
        foreach (var (side, count) in _sides[role])
            _width[side] -= groups * count;
    }
}
