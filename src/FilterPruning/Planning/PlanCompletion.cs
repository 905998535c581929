using FilterPruning.Graph;
using FilterPruning.Layers;
using FilterPruning.Storage;

namespace FilterPruning.Planning;

/// <summary>A whole plan from an outline: every layer of the graph, with everything that goes when the listed channels go.</summary>
internal static class PlanCompletion
{
    private const string Criterion = "external";

    public static PruningPlan Complete(PlanOutline outline, DependencyGraph graph)
    {
        GraphChecks.ThrowIfStale(graph);
        var layers = graph.Layers.ToDictionary(layer => layer.Name, StringComparer.Ordinal);
        var removed = new bool[graph.Groups.Count];
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var entry in outline.Layers)
        {
            var layer = Find(entry, layers);
            if (!seen.Add(layer.Name))
                throw Unusable($"layer '{layer.Name}' is listed twice");
            Remove(graph, layer, "input", InputGroups(layer), entry.RemovedInputs, removed);
            Remove(graph, layer, "output", layer.OutputGroups, entry.RemovedOutputs, removed);
        }

        foreach (var entry in outline.Layers)
        {
            ThrowUnlessFull(layers[entry.Name], "input", InputGroups(layers[entry.Name]), entry.RemovedInputs, removed);
            ThrowUnlessFull(layers[entry.Name], "output", layers[entry.Name].OutputGroups, entry.RemovedOutputs, removed);
        }

        var scores = outline.Layers.Where(entry => entry.Scores is not null || entry.Skipped is not null).ToDictionary(entry => entry.Name, entry => (entry.Scores, entry.Skipped), StringComparer.Ordinal);
        var complete = graph.Layers.Select(layer => new LayerPlan(
            layer.Name, layer.Kind, layer.InputChannels, Channels(InputGroups(layer), removed), layer.OutputChannels, Channels(layer.OutputGroups, removed),
            scores.GetValueOrDefault(layer.Name).Scores, scores.GetValueOrDefault(layer.Name).Skipped)).ToList();
        var count = removed.Count(gone => gone);
        return new PruningPlan(
            outline.Settings ?? Settings(graph, count), ModelCost.Measure(graph), ModelCost.Predict(graph, complete), graph.Groups.Count, count, complete);
    }

    private static TracedLayer Find(LayerOutline? entry, Dictionary<string, TracedLayer> layers)
    {
        if (entry?.Name is not { } name)
            throw Unusable("a layer is null or has no name");
        if (!layers.TryGetValue(name, out var layer))
            throw Unusable($"the model has no layer '{name}'.{NearMiss.Hint(name, layers.Keys)}");
        if (entry.Kind is { } kind && kind != layer.Kind)
            throw Unusable($"layer '{name}' is a {layer.Kind}, in the plan a {kind}");
        if ((entry.InputChannels ?? layer.InputChannels) != layer.InputChannels || (entry.OutputChannels ?? layer.OutputChannels) != layer.OutputChannels)
            throw Unusable($"layer '{name}' is {layer.InputChannels} -> {layer.OutputChannels} channels wide, in the plan {entry.InputChannels} -> {entry.OutputChannels}");
        return layer;
    }

    private static void Remove(DependencyGraph graph, TracedLayer layer, string side, int[] groups, IReadOnlyList<int>? channels, bool[] removed)
    {
        var previous = -1;
        foreach (var channel in channels ?? [])
        {
            if (channel < 0 || channel >= groups.Length)
                throw Unusable($"layer '{layer.Name}' removes {side} channel {channel}; {(groups.Length == 0 ? "it has none" : $"allowed are 0 to {groups.Length - 1}")}");
            if (channel <= previous)
                throw Unusable($"layer '{layer.Name}' lists {side} channel {channel} after {previous}; indices must ascend");
            previous = channel;
            if (graph.Groups[groups[channel]].Pin is { } pin)
                throw Unusable($"it removes {side} channel {channel} of '{layer.Name}', which must stay: {pin.Evidence}");
            removed[groups[channel]] = true;
        }
    }

    /// <summary>A list that names some of a side's channels that go, and not the others, is a misunderstanding about what goes together.</summary>
    private static void ThrowUnlessFull(TracedLayer layer, string side, int[] groups, IReadOnlyList<int>? channels, bool[] removed)
    {
        if (channels is null)
            return;
        var listed = channels.ToHashSet();
        for (var channel = 0; channel < groups.Length; channel++)
        {
            if (removed[groups[channel]] && !listed.Contains(channel))
                throw Unusable($"it keeps {side} channel {channel} of '{layer.Name}', which belongs to channel group {groups[channel]} and goes with another channel that it removes. List it too, or leave the side out and it is filled in");
        }
    }

    // What passes straight through has one set of channels.
    private static int[] InputGroups(TracedLayer layer) => layer.Mapping == ChannelMapping.ChannelWise ? layer.OutputGroups : layer.InputGroups;

    private static int[] Channels(int[] groups, bool[] removed) => [.. Enumerable.Range(0, groups.Length).Where(channel => removed[groups[channel]])];

    private static PlanSettings Settings(DependencyGraph graph, int removed) => new(
        graph.Groups.Count == 0 ? 0 : Math.Round((double)removed / graph.Groups.Count, 6), PruningScope.Local, Criterion, ScoreNormalization.None, GroupReduction.Mean, 1, 1, [], null);

    private static PruningException Unusable(string reason) => new($"The plan does not fit the model: {reason.TrimEnd('.')}. Correct the plan, or make one with {nameof(PruningPlanner)}.");
}
