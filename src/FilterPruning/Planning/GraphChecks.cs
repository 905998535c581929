using FilterPruning.Graph;

namespace FilterPruning.Planning;

/// <summary>Whether a graph still describes its model.</summary>
internal static class GraphChecks
{
    /// <summary>Throws when a layer's width is not the one it was traced with.</summary>
    public static void ThrowIfStale(DependencyGraph graph)
    {
        var changed = graph.Layers
            .Select(layer => (layer, inputs: layer.Rule.InputChannels(layer.Module), outputs: layer.Rule.OutputChannels(layer.Module)))
            .Where(now => now.inputs != now.layer.InputChannels || now.outputs != now.layer.OutputChannels)
            .Select(now => $"'{now.layer.Name}' ({now.layer.InputChannels} -> {now.layer.OutputChannels} channels when traced, {now.inputs} -> {now.outputs} now)")
            .ToList();
        if (changed.Count > 0)
        {
            throw new PruningException(
                $"The dependency graph is older than the model: {changed.Count} layers have other widths now: {string.Join(", ", changed.Take(5))}. Trace the model again.");
        }
    }
}
