using FilterPruning.Criteria;
using FilterPruning.Graph;

namespace FilterPruning.Planning;

/// <summary>Chooses which channel groups of a traced model are to go. Changes nothing.</summary>
public static class PruningPlanner
{
    /// <summary>Scores the groups of a model and plans the removal of the least important ones.</summary>
    /// <param name="graph">The traced model, with the widths and weights it has now.</param>
    /// <param name="options">What to remove.</param>
    /// <returns>
    /// With <see cref="PruningScope.Local"/>, each role of n groups keeps ⌊n · (1 − ratio)⌋ of them, at least one. With
    /// <see cref="PruningScope.Global"/>, round(P · ratio) of all P prunable groups go, lowest score first; a group whose removal would take a
    /// layer below the minimum width is passed over. Equal scores go in the order of the groups' indices. Pinned and ignored groups stay.
    /// </returns>
    /// <exception cref="ArgumentException">Options that cannot be used; lists all of them.</exception>
    /// <exception cref="PruningException">A criterion gave scores that cannot be used, or the graph does not fit its model any more.</exception>
    public static PruningPlan CreatePlan(DependencyGraph graph, PruningOptions options)
    {
        ArgumentNullException.ThrowIfNull(graph);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        var ignored = LayerPattern.Match(options.Ignore, [.. graph.Layers.Select(layer => layer.Name)]);
        GraphChecks.ThrowIfStale(graph);

        var scores = FilterScorer.ScoreGroups(graph, options);
        var prunable = new bool[graph.Groups.Count];
        foreach (var group in graph.Groups)
            prunable[group.Index] = group.Pin is null && scores[group.Index] is not null;
        foreach (var layer in graph.Layers.Where(layer => ignored.ContainsKey(layer.Name)))
        {
            foreach (var group in layer.OutputGroups)
                prunable[group] = false;
        }

        var selection = new GroupSelection(graph, options, scores, prunable);
        var removed = options.Scope == PruningScope.Local ? selection.Local() : selection.Global();
        return Build(graph, options, scores, prunable, ignored, removed);
    }

    private static PruningPlan Build(
        DependencyGraph graph, PruningOptions options, double?[] scores, bool[] prunable, IReadOnlyDictionary<string, string> ignored, bool[] removed)
    {
        var layers = new List<LayerPlan>();
        foreach (var layer in graph.Layers)
        {
            var inputs = RemovedChannels(layer.Mapping == Layers.ChannelMapping.ChannelWise ? layer.OutputGroups : layer.InputGroups, removed);
            var outputs = RemovedChannels(layer.OutputGroups, removed);
            var skipped = outputs.Length > 0 || options.Ratio == 0 ? null : Reason(graph, layer, scores, prunable, ignored);
            layers.Add(new LayerPlan(
                layer.Name, layer.Kind, layer.InputChannels, inputs, layer.OutputChannels, outputs, Range(layer, scores, removed), skipped));
        }

        var settings = new PlanSettings(
            options.Ratio, options.Scope, options.Criterion.Name, options.Normalization, options.Reduction, options.ChannelMultiple, options.MinimumWidth,
            [.. options.Ignore], (options.Criterion as RandomCriterion)?.Seed);
        var predicted = ModelCost.Predict(graph, layers);
        return new PruningPlan(settings, ModelCost.Measure(graph), predicted, graph.Groups.Count, removed.Count(gone => gone), layers);
    }

    private static int[] RemovedChannels(int[] groups, bool[] removed)
        => [.. Enumerable.Range(0, groups.Length).Where(channel => removed[groups[channel]])];

    private static ScoreRange? Range(TracedLayer layer, double?[] scores, bool[] removed)
    {
        var groups = layer.OutputGroups.Where(group => scores[group] is not null).Distinct().ToList();
        if (groups.Count == 0)
            return null;
        var gone = groups.Where(group => removed[group]).ToList();
        return new ScoreRange(groups.Min(g => scores[g]!.Value), groups.Max(g => scores[g]!.Value), gone.Count == 0 ? null : gone.Max(g => scores[g]!.Value));
    }

    private static string Reason(
        DependencyGraph graph, TracedLayer layer, double?[] scores, bool[] prunable, IReadOnlyDictionary<string, string> ignored)
    {
        if (ignored.TryGetValue(layer.Name, out var pattern))
            return $"Ignored by the pattern '{pattern}'.";
        if (layer.OutputGroups.Any(group => prunable[group]))
            return "The ratio, the minimum width or the channel multiple leaves all its channels.";
        var pins = layer.OutputGroups.Select(group => graph.Groups[group].Pin).OfType<Pin>().ToList();
        if (pins.Count > 0)
            return $"{pins[0].Reason}: {pins[0].Evidence}";
        if (layer.OutputGroups.All(group => scores[group] is null))
            return "No filter makes its channels, so nothing says how important they are.";
        var tied = layer.OutputGroups.SelectMany(group => graph.Groups[group].Members).First(member => ignored.ContainsKey(member.Layer)).Layer;
        return $"Tied to '{tied}', which is ignored by the pattern '{ignored[tied]}'.";
    }
}
