using FilterPruning.Graph;
using FilterPruning.Layers;

namespace FilterPruning.Planning;

/// <summary>The width of each side of each layer while groups are being removed; no output may fall below its minimum, no input to nothing.</summary>
internal sealed class LayerWidths
{
    private readonly (int Side, int Count)[][] _sides;
    private readonly int[] _width;
    private readonly int[] _least;
    private readonly int[] _left;
    private readonly bool[] _joins;

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
        _left = [.. roles.Select(role => role.Groups.Length)];
        // Where a layer joins several inputs (bilinear), its whole input side says too little: each role that it reads leaves it a group.
        _joins = [.. roles.Select(role => role.Sides.Any(side => side.Axis == ChannelAxis.Input && graph.Layers[index[side.Layer]] is var layer && layer.Rule.InputSides(layer.Module).Count > 1))];
    }

    private LayerWidths(LayerWidths other)
    {
        _sides = other._sides;
        _width = [.. other._width];
        _least = other._least;
        _left = [.. other._left];
        _joins = other._joins;
    }

    /// <summary>A copy that goes its own way.</summary>
    public LayerWidths Copy() => new(this);

    /// <summary>How many more groups of a role every layer can spare.</summary>
    public int Spare(int role)
    {
        var spare = _joins[role] ? _left[role] - 1 : int.MaxValue;
        foreach (var (side, count) in _sides[role])
            spare = Math.Min(spare, (_width[side] - _least[side]) / count);
        return Math.Max(0, spare);
    }

    /// <summary>Takes the channels of some groups of a role away; a negative number gives them back.</summary>
    public void Remove(int role, int groups)
    {
        _left[role] -= groups;
        foreach (var (side, count) in _sides[role])
            _width[side] -= groups * count;
    }
}
