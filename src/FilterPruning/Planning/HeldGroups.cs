using FilterPruning.Graph;

namespace FilterPruning.Planning;

/// <summary>The channel groups that the options keep, and on whose account.</summary>
internal sealed class HeldGroups
{
    private readonly Dictionary<(string Layer, ChannelAxis Axis), string> _sides = [];
    private readonly (string Layer, ChannelAxis Axis)?[] _groups;

    /// <summary>Works out which groups stay.</summary>
    /// <exception cref="PruningOptionsException">A pattern matches no layer.</exception>
    public HeldGroups(DependencyGraph graph, PruningOptions options)
    {
        _groups = new (string, ChannelAxis)?[graph.Groups.Count];
        var patterns = LayerPattern.MatchSides(options.Ignore, [.. graph.Layers.Select(layer => layer.Name)]);
        foreach (var layer in graph.Layers)
        {
            var frozen = options.KeepFrozen && IsFrozen(layer);
            foreach (var axis in new[] { ChannelAxis.Output, ChannelAxis.Input })
            {
                // Where channels pass through, both sides are one.
                var passes = layer.Mapping == Layers.ChannelMapping.ChannelWise;
                var pattern = patterns.FirstOrDefault(pattern => (passes || pattern.Side is null || pattern.Side == axis) && pattern.Matches(layer.Name));
                if (pattern is null && !frozen)
                    continue;
                _sides[(layer.Name, axis)] = pattern is not null ? $"ignored by the pattern '{pattern.Text}'" : "frozen: none of its parameters asks for a gradient";
                foreach (var group in axis == ChannelAxis.Output || passes ? layer.OutputGroups : layer.InputGroups)
                    _groups[group] ??= (layer.Name, axis);
            }
        }
    }

    /// <summary>Whether the options keep a group.</summary>
    public bool Holds(int group) => _groups[group] is not null;

    /// <summary>Why a layer's outputs are kept by a pattern or a freeze of its own; null when they are not.</summary>
    public string? Own(TracedLayer layer) => _sides.TryGetValue((layer.Name, ChannelAxis.Output), out var reason) ? char.ToUpperInvariant(reason[0]) + reason[1..] + "." : null;

    /// <summary>Why some of a layer's outputs are kept on account of another layer, or of its own inputs; null when they are not.</summary>
    public string? Tie(TracedLayer layer)
    {
        if (layer.OutputGroups.Select(group => _groups[group]).FirstOrDefault(holder => holder is not null) is not { } by)
            return null;
        return by.Axis == ChannelAxis.Output
            ? $"Tied to '{by.Layer}', which is {_sides[by]}."
            : $"Tied to the inputs of '{by.Layer}', which is {_sides[by]}.";
    }

    // A layer may be a parameter that a larger module holds, so that the module's parameters are not what counts.
    private static bool IsFrozen(TracedLayer layer)
    {
        var parameters = layer.Rule.Tensors(layer.Module).Select(tensor => tensor.Tensor).OfType<TorchSharp.Modules.Parameter>().ToList();
        return parameters.Count > 0 && parameters.TrueForAll(parameter => !parameter.requires_grad);
    }
}
