using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Tracing;

namespace FilterPruning.Schedules;

/// <summary>Roles that are given a ratio together: mostly one; several where no layer is theirs alone, so that no name could tell them apart.</summary>
/// <param name="Roles">Indices into the roles of the planner.</param>
/// <param name="Layers">Layers by whose names a <see cref="LayerRatio"/> reaches the unit.</param>
/// <param name="Shared">Whether these layers make channels of other units too, so that their ratios must come before those.</param>
internal sealed record ScanUnit(int[] Roles, string[] Layers, bool Shared)
{
    /// <summary>The unit's name: its first layer, with filters where there is one.</summary>
    public string Name => Layers[0];
}

/// <summary>The roles of a graph as a scan and an allocation see them.</summary>
internal sealed class ScanUnits
{
    private readonly DependencyGraph _graph;
    private readonly PruningOptions _options;
    private readonly LayerWidths _widths;

    public ScanUnits(DependencyGraph graph, PruningOptions options)
    {
        _graph = graph;
        _options = options with { Ratio = 0, Target = null, Scope = PruningScope.Local };
        var ratios = LayerPattern.MatchRatios(options.LayerRatios, [.. graph.Layers.Select(layer => layer.Name)]);
        Candidates = PruningPlanner.Candidates(graph, _options, null);
        Roles = PlanRole.Of(graph, _options, Candidates, ratios);
        _widths = new LayerWidths(graph, Roles, _options);
        Units = Unite();
    }

    /// <summary>Scores of the groups and which of them may go.</summary>
    public PlanCandidates Candidates { get; }

    /// <summary>The planner's roles.</summary>
    public IReadOnlyList<PlanRole> Roles { get; }

    /// <summary>The units with channels that may go, in data order.</summary>
    public IReadOnlyList<ScanUnit> Units { get; }

    /// <summary>How many groups each role loses when one unit alone loses a share.</summary>
    public int[] Alone(ScanUnit unit, decimal ratio) => At(new int[Roles.Count], unit, ratio);

    /// <summary>The counts with those of one unit put to a share.</summary>
    public int[] At(int[] counts, ScanUnit unit, decimal ratio)
    {
        int[] changed = [.. counts];
        var widths = _widths.Copy();
        for (var role = 0; role < counts.Length; role++)
        {
            if (!unit.Roles.Contains(role))
                widths.Remove(role, counts[role]);
        }

        foreach (var role in unit.Roles)
        {
            changed[role] = Roles[role].RoundedDown(Math.Min(widths.Spare(role), Roles[role].RemovedAt(ratio)));
            widths.Remove(role, changed[role]);
        }

        return changed;
    }

    /// <summary>The plan that removes the weakest groups of each role.</summary>
    public PruningPlan Plan(int[] counts) => PruningPlanner.Build(_graph, _options, Candidates, PruningPlanner.Weakest(_graph, Roles, counts));

    private List<ScanUnit> Unite()
    {
        var makers = Roles.Select(role => role.Sides.Where(side => side.Axis == ChannelAxis.Output).Select(side => side.Layer).Distinct().ToArray()).ToList();
        var makes = makers.SelectMany(layers => layers).CountBy(layer => layer).ToDictionary(StringComparer.Ordinal);
        var filtered = _graph.Layers.Where(layer => layer.Rule.Filters(layer.Module) is not null).Select(layer => layer.Name).ToHashSet(StringComparer.Ordinal);
        var units = new List<ScanUnit>();
        var shared = new List<int>();
        for (var role = 0; role < makers.Count; role++)
        {
            string[] own = [.. makers[role].Where(layer => makes[layer] == 1)];
            if (own.Length > 0)
                units.Add(new ScanUnit([role], [own.FirstOrDefault(filtered.Contains) ?? own[0]], false));
            else
                shared.Add(role);
        }

        // Roles without a layer of their own stick together wherever they meet in one.
        var ties = new UnionFind(makers.Count);
        var firstIn = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var role in shared)
        {
            foreach (var layer in makers[role])
            {
                if (!firstIn.TryAdd(layer, role))
                    ties.Union(firstIn[layer], role);
            }
        }

        foreach (var together in shared.GroupBy(ties.Find))
            units.Add(new ScanUnit([.. together], [.. together.SelectMany(role => makers[role]).Distinct()], true));
        return [.. units.Where(unit => unit.Roles.Any(role => Roles[role].Order.Length > 0)).OrderBy(unit => unit.Roles[0])];
    }
}
