using FilterPruning.Graph;

namespace FilterPruning.Planning;

/// <summary>What was cut before: so that the steps of an iterative run count in groups and costs of the model they began with.</summary>
internal sealed class PlanHistory
{
    private readonly DependencyGraph _original;
    private readonly int[] _originalGroup;
    private readonly double[] _weights;

    /// <summary>Finds the groups of the present model among those of the original one.</summary>
    /// <param name="original">The graph of the model before the first cut.</param>
    /// <param name="done">Everything cut since, as one plan.</param>
    /// <param name="bytes">Stored bytes before the first cut.</param>
    /// <param name="current">The graph of the model now.</param>
    public PlanHistory(DependencyGraph original, PruningPlan done, long bytes, DependencyGraph current)
    {
        _original = original;
        Done = done;
        Bytes = bytes;
        _originalGroup = Map(original, done, current);
        var roleOf = RolesOf(original);
        var before = roleOf.CountBy(role => role).ToDictionary();
        var now = _originalGroup.Where(group => group >= 0).CountBy(group => roleOf[group]).ToDictionary();

        // Each group left stands for itself and its share of those that went from its role.
        _weights = [.. _originalGroup.Select(group => group < 0 ? 1.0 : (double)before[roleOf[group]] / now[roleOf[group]])];
    }

    /// <summary>Everything cut so far.</summary>
    public PruningPlan Done { get; }

    /// <summary>Stored bytes before the first cut.</summary>
    public long Bytes { get; }

    /// <summary>How many groups a role of the present model had at first.</summary>
    public int OriginalCount(IReadOnlyList<int> groups) => (int)Math.Round(groups.Sum(group => _weights[group]), MidpointRounding.AwayFromZero);

    /// <summary>The width of a layer's output at first.</summary>
    public int OriginalWidth(string layer, int now) => Done.Find(layer)?.OutputChannels ?? now;

    /// <summary>Whether a group of the present model was pinned at first: narrower layers show less, so that a pin may be seen only then.</summary>
    public bool WasPinned(int group) => _originalGroup[group] >= 0 && _original.Groups[_originalGroup[group]].Pin is not null;

    private static int[] RolesOf(DependencyGraph graph)
    {
        var roleOf = new int[graph.Groups.Count];
        var roles = graph.Roles.GroupBy(role => string.Join('|', role.Sides)).ToList();
        for (var i = 0; i < roles.Count; i++)
        {
            foreach (var group in roles[i].SelectMany(part => part.Groups))
                roleOf[group] = i;
        }

        return roleOf;
    }

    /// <summary>The original group of each present one, by the channels they hold; −1 where a layer is new.</summary>
    private static int[] Map(DependencyGraph original, PruningPlan done, DependencyGraph current)
    {
        var result = new int[current.Groups.Count];
        Array.Fill(result, -1);
        var byName = original.Layers.ToDictionary(layer => layer.Name, StringComparer.Ordinal);
        foreach (var layer in current.Layers)
        {
            if (!byName.TryGetValue(layer.Name, out var first) || done.Find(layer.Name) is not { } plan)
                continue;
            Side(layer.InputGroups, first.InputGroups, plan.RemovedInputs);
            Side(layer.OutputGroups, first.OutputGroups, plan.RemovedOutputs);
        }

        return result;

        void Side(int[] now, int[] then, IReadOnlyList<int> removed)
        {
            var gone = removed.ToHashSet();
            var left = then.Where((_, channel) => !gone.Contains(channel)).ToArray();
            for (var channel = 0; channel < Math.Min(now.Length, left.Length); channel++)
                result[now[channel]] = left[channel];
        }
    }
}
