using FilterPruning.Graph;

namespace FilterPruning.Planning;

/// <summary>What was cut before: so that the steps of an iterative run count in groups and costs of the model they began with.</summary>
internal sealed class PlanHistory
{
    private readonly DependencyGraph _original;
    private readonly IReadOnlyList<string> _signatures;
    private readonly int[] _originalGroup;
    private readonly double[] _weights;
    private readonly double[] _units;

    /// <summary>Finds the groups of the present model among those of the original one.</summary>
    /// <param name="original">The graph of the model before the first cut.</param>
    /// <param name="done">Everything cut since, as one plan.</param>
    /// <param name="bytes">Stored bytes before the first cut.</param>
    /// <param name="signatures">What the role of each original group is built of; see <see cref="PlanRole.Signatures"/>.</param>
    /// <param name="current">The graph of the model now.</param>
    public PlanHistory(DependencyGraph original, PruningPlan done, long bytes, IReadOnlyList<string> signatures, DependencyGraph current)
    {
        _original = original;
        _signatures = signatures;
        Done = done;
        Bytes = bytes;
        _originalGroup = Map(original, done, current);
        var roleOf = RolesOf(original);
        var before = roleOf.CountBy(role => role).ToDictionary();
        var left = _originalGroup.Where(group => group >= 0).CountBy(group => group).ToDictionary();
        var now = left.Keys.CountBy(group => roleOf[group]).ToDictionary();
        _units = [.. _originalGroup.Select(group => group < 0 ? 1.0 : 1.0 / left[group])];
        _weights = [.. _originalGroup.Select(group => group < 0 ? 1.0 : (double)before[roleOf[group]] / now[roleOf[group]])];
    }

    /// <summary>Everything cut so far.</summary>
    public PruningPlan Done { get; }

    /// <summary>Stored bytes before the first cut.</summary>
    public long Bytes { get; }

    /// <summary>
    /// What a present group is of an original one: 1, or less where one fell apart (a grouped layer with as many channels as blocks ties none of them).
    /// </summary>
    public double Unit(int group) => _units[group];

    /// <summary>How many original groups went from the role of a present one, as the share of it that the present one stands for.</summary>
    public double Gone(int group) => _units[group] * (_weights[group] - 1);

    /// <summary>How many groups a role of the present model had at first, in groups as they are now.</summary>
    public int OriginalCount(IReadOnlyList<int> groups) => (int)Math.Round(groups.Sum(group => _weights[group]), MidpointRounding.AwayFromZero);

    /// <summary>What a present role was built of at first; null when it was not there. Layers with a single channel look like others.</summary>
    public string? Signature(IReadOnlyList<int> groups)
    {
        var first = groups.Select(group => _originalGroup[group]).FirstOrDefault(group => group >= 0, -1);
        return first < 0 ? null : _signatures[first];
    }

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
