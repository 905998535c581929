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
    /// layer below the minimum width is passed over. <see cref="PruningScope.Isomorphic"/> does the same within each class of roles that are built alike.
    /// With a <see cref="PruningOptions.Target"/>, the ratio is the one that meets it. Equal scores go in the order of the groups' indices. Pinned, ignored
    /// and frozen groups stay.
    /// </returns>
    /// <exception cref="ArgumentException">Options that cannot be used; lists all of them. Also a target that cannot be reached; says what can.</exception>
    /// <exception cref="PruningException">A criterion gave scores that cannot be used, or the graph does not fit its model any more.</exception>
    public static PruningPlan CreatePlan(DependencyGraph graph, PruningOptions options)
    {
        ArgumentNullException.ThrowIfNull(graph);
        ArgumentNullException.ThrowIfNull(options);
        return CreatePlan(graph, options, null);
    }

    /// <summary>Plans a step of an iterative run: ratios, targets and floors count from the model before the first step.</summary>
    internal static PruningPlan CreatePlan(DependencyGraph graph, PruningOptions options, PlanHistory? history)
    {
        options.Validate();
        options = options.WithFastWidths();
        if (options.Scope == PruningScope.Allocated)
            return Allocated(graph, options, history);
        var ownRatios = LayerPattern.MatchRatios(options.LayerRatios, [.. graph.Layers.Select(layer => layer.Name)]);
        var candidates = Candidates(graph, options, history);
        var roles = PlanRole.Of(graph, options, candidates, ownRatios, history);
        var selection = new GroupSelection(graph, options, roles, candidates.Scores, history);
        return Build(graph, options, candidates, Weakest(graph, roles, Select(graph, options, selection, history)));
    }

    private static PruningPlan Allocated(DependencyGraph graph, PruningOptions options, PlanHistory? history)
    {
        if (history is not null || options.Criterion is not ReconstructionCriterion { Sample: var sample } || !ReferenceEquals(sample.Graph, graph))
        {
            throw new PruningOptionsException(
            [
                $"{nameof(PruningOptions.Scope)} is {nameof(PruningScope.Allocated)} {(history is not null ? "in an iterative run" : $"with the criterion '{options.Criterion.Name}'")}; allowed is a {nameof(ReconstructionCriterion)} "
                + "made from a calibration sample of the graph that is planned for, in a single step. Choose another scope, or give that criterion.",
            ]);
        }

        return Schedules.ReconstructionAllocation.Plan(sample, options);
    }

    /// <summary>Scores all groups and says which of them may go.</summary>
    internal static PlanCandidates Candidates(DependencyGraph graph, PruningOptions options, PlanHistory? history)
    {
        var held = new HeldGroups(graph, options);
        GraphChecks.ThrowIfStale(graph);
        var scores = FilterScorer.ScoreGroups(graph, options);
        var prunable = new bool[graph.Groups.Count];
        var pinnedSince = new HashSet<int>();
        foreach (var group in graph.Groups.Where(group => scores[group.Index] is not null && !held.Holds(group.Index) && history?.WasPinned(group.Index) != true))
        {
            prunable[group.Index] = group.Pin is null;
            if (group.Pin is not null && history is not null)
                pinnedSince.Add(group.Index);
        }

        return new PlanCandidates(scores, prunable, pinnedSince, held);
    }

    /// <summary>The groups that go when each role loses so many, by index.</summary>
    internal static bool[] Weakest(DependencyGraph graph, IReadOnlyList<PlanRole> roles, int[] counts)
    {
        var removed = new bool[graph.Groups.Count];
        for (var role = 0; role < roles.Count; role++)
        {
            foreach (var group in roles[role].Order.Take(counts[role]))
                removed[group] = true;
        }

        return removed;
    }

    /// <summary>The plan that removes nothing. Asks no criterion.</summary>
    internal static PruningPlan EmptyPlan(DependencyGraph graph, PruningOptions options)
    {
        var nothing = options with { Ratio = 0, Target = null, LayerRatios = [] };
        var candidates = new PlanCandidates(new double?[graph.Groups.Count], new bool[graph.Groups.Count], new HashSet<int>(), new HeldGroups(graph, nothing));
        return Build(graph, nothing, candidates, new bool[graph.Groups.Count]);
    }

    private static int[] Select(DependencyGraph graph, PruningOptions options, GroupSelection selection, PlanHistory? history)
    {
        if (options.Target is not { Measure: not TargetMeasure.Filters } target)
            return selection.AtRatio(options.RatioToRemove);
        var meter = new CostMeter(graph, selection.Roles, options.Latency);
        var whole = target.Measure switch
        {
            TargetMeasure.Parameters => history?.Done.Before.Parameters ?? ModelCost.Measure(graph).Parameters,
            TargetMeasure.Macs => history?.Done.Before.Macs ?? ModelCost.Measure(graph).Macs,
            TargetMeasure.Latency => meter.Of(TargetMeasure.Latency, new int[selection.Roles.Count]),
            _ => history?.Bytes ?? StoredBytes.Measure(graph),
        };
        return TargetSearch.Find(selection, target, target.Amount ?? (long)(whole * (decimal)target.Share!.Value), counts => meter.Of(target.Measure, counts));
    }

    /// <summary>The plan that removes the given groups.</summary>
    internal static PruningPlan Build(DependencyGraph graph, PruningOptions options, PlanCandidates candidates, bool[] removed)
    {
        var layers = new List<LayerPlan>();
        foreach (var layer in graph.Layers)
        {
            var inputs = RemovedChannels(layer.Mapping == Layers.ChannelMapping.ChannelWise ? layer.OutputGroups : layer.InputGroups, removed);
            var outputs = RemovedChannels(layer.OutputGroups, removed);
            var skipped = outputs.Length > 0 || options.AsksForNothing ? null : Reason(graph, layer, candidates);
            layers.Add(new LayerPlan(
                layer.Name, layer.Kind, layer.InputChannels, inputs, layer.OutputChannels, outputs, Range(layer, candidates.Scores, removed), skipped));
        }

        var predicted = ModelCost.Predict(graph, layers);
        return new PruningPlan(PlanSettings.Of(options), ModelCost.Measure(graph), predicted, graph.Groups.Count, removed.Count(gone => gone), layers);
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

    private static string Reason(DependencyGraph graph, TracedLayer layer, PlanCandidates candidates)
    {
        if (candidates.Held.Own(layer) is { } own)
            return own;
        if (layer.OutputGroups.Any(group => candidates.Prunable[group]))
            return "The ratio or target, the minimum width, the maximum layer ratio or the channel multiple leaves all its channels.";
        var pins = layer.OutputGroups.Select(group => graph.Groups[group].Pin).OfType<Pin>().ToList();
        if (pins.Count > 0)
            return $"{pins[0].Reason}: {pins[0].Evidence}";
        return candidates.Held.Tie(layer) ?? "No filter makes its channels, so nothing says how important they are.";
    }
}

/// <summary>What a plan may choose from.</summary>
/// <param name="Scores">The score of each group; null for groups without a filter.</param>
/// <param name="Prunable">Which groups may go.</param>
/// <param name="PinnedSince">Groups that might have gone at the first step of an iterative run, and are pinned now.</param>
/// <param name="Held">What the options keep, and why.</param>
internal sealed record PlanCandidates(double?[] Scores, bool[] Prunable, IReadOnlySet<int> PinnedSince, HeldGroups Held);
