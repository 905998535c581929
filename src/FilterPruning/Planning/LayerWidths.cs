using System.Runtime.InteropServices;
using FilterPruning.Graph;

namespace FilterPruning.Planning;

/// <summary>The width of each side of each layer while groups are being removed; no output may fall below the minimum, no input to nothing.</summary>
internal sealed class LayerWidths
{
    private readonly (int Side, int Count)[][] _sides;
    private readonly int[] _width;
    private readonly int[] _least;

    public LayerWidths(DependencyGraph graph, int minimumWidth)
    {
        _width = new int[2 * graph.Layers.Count];
        _least = new int[2 * graph.Layers.Count];
        var sides = new Dictionary<int, int>[graph.Groups.Count];
        for (var group = 0; group < sides.Length; group++)
            sides[group] = [];
        for (var i = 0; i < graph.Layers.Count; i++)
        {
            var layer = graph.Layers[i];
            _width[2 * i] = layer.OutputChannels;
            _least[2 * i] = minimumWidth;
            foreach (var group in layer.OutputGroups)
                CollectionsMarshal.GetValueRefOrAddDefault(sides[group], 2 * i, out _)++;
            if (layer.Mapping == Layers.ChannelMapping.ChannelWise)
                continue;
            _width[(2 * i) + 1] = layer.InputChannels;
            _least[(2 * i) + 1] = 1;
            foreach (var group in layer.InputGroups)
                CollectionsMarshal.GetValueRefOrAddDefault(sides[group], (2 * i) + 1, out _)++;
        }

        _sides = [.. sides.Select(counts => counts.Select(pair => (pair.Key, pair.Value)).ToArray())];
    }

    /// <summary>Takes a group's channels away where every layer can spare them.</summary>
    public bool TryRemove(int group)
    {
        foreach (var (side, count) in _sides[group])
        {
            if (_width[side] - count < _least[side])
                return false;
        }

        foreach (var (side, count) in _sides[group])
            _width[side] -= count;
        return true;
    }

    /// <summary>Gives a group's channels back.</summary>
    public void Restore(int group)
    {
        foreach (var (side, count) in _sides[group])
            _width[side] += count;
    }
}
