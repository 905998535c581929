using FilterPruning.Graph;
using FilterPruning.Layers;

namespace FilterPruning.Planning;

/// <summary>
/// The channel groups with the same sides, pinned ones included, as the planner counts them. All groups of a role take the same channels from the same
/// layers, so how many of them go says everything about widths and cost; the weakest go first.
/// </summary>
internal sealed class PlanRole
{
    // A third of three groups is one, although a third is no decimal fraction either: 15 digits of a ratio leave less than this of any width.
    private const decimal Rounding = 1e-9m;

    private readonly int _step;
    private readonly int _least;

    private PlanRole(ChannelRole[] parts, PruningOptions options, PlanCandidates candidates, PlanHistory? history)
    {
        Sides = parts[0].Sides;
        Groups = [.. parts.SelectMany(part => part.Groups).Order()];
        Order = [.. Groups.Where(group => candidates.Prunable[group]).OrderBy(group => candidates.Scores[group]!.Value).ThenBy(group => group)];
        OriginalCount = history?.OriginalCount(Groups) ?? Groups.Length;
        Units = [.. Order.Select(group => history?.Unit(group) ?? 1)];
        Gone = history is null ? 0 : Groups.Sum(history.Gone);
        OriginalFree = Units.Sum() + Gone + (history is null ? 0 : Groups.Where(candidates.PinnedSince.Contains).Sum(history.Unit));
        var outputs = Sides.Where(side => side.Axis == ChannelAxis.Output).Min(side => side.Channels);
        _step = options.ChannelMultiple / (int)GreatestCommonDivisor(options.ChannelMultiple, outputs);
        _least = Math.Max(1, Math.Max(
            (int)(((long)options.MinimumWidth + outputs - 1) / outputs),
            (int)Math.Ceiling(OriginalCount * (1 - (decimal)options.MaximumLayerRatio))));
    }

    /// <summary>What each group of the role takes from each layer.</summary>
    public IReadOnlyList<RoleSide> Sides { get; }

    /// <summary>Indices of the groups, ascending; pinned ones included.</summary>
    public int[] Groups { get; }

    /// <summary>The groups that may go, lowest score first; equal scores in the order of the indices.</summary>
    public int[] Order { get; }

    /// <summary>The number of groups before any earlier step of an iterative run; without one, that of <see cref="Groups"/>.</summary>
    public int OriginalCount { get; }

    /// <summary>What each group of <see cref="Order"/> is of an original one: 1 but in an iterative run.</summary>
    public double[] Units { get; }

    /// <summary>Original groups that went in earlier steps of an iterative run.</summary>
    public double Gone { get; }

    /// <summary>Original groups that might go, or have gone; those included that are pinned only since they are a layer's last.</summary>
    public double OriginalFree { get; }

    /// <summary>A ratio of the role's own, or null.</summary>
    public double? OwnRatio { get; private set; }

    /// <summary>What the role is built of, without names, indices and widths.</summary>
    public string Signature { get; private set; } = "";

    /// <summary>All roles of a graph that have output channels.</summary>
    public static List<PlanRole> Of(
        DependencyGraph graph, PruningOptions options, PlanCandidates candidates, IReadOnlyDictionary<string, int> ownRatios, PlanHistory? history = null)
    {
        var builds = graph.Layers.ToDictionary(layer => layer.Name, Build, StringComparer.Ordinal);
        var roles = new List<PlanRole>();
        foreach (var same in graph.Roles.Where(role => role.Sides.Any(side => side.Axis == ChannelAxis.Output)).GroupBy(Key))
        {
            var role = new PlanRole([.. same], options, candidates, history);
            var own = role.Sides.Where(side => side.Axis == ChannelAxis.Output && ownRatios.ContainsKey(side.Layer)).Select(side => ownRatios[side.Layer]).DefaultIfEmpty(-1).Max();
            role.OwnRatio = own < 0 ? null : options.LayerRatios[own].Ratio;
            role.Signature = history?.Signature(role.Groups) ?? SignatureOf(role.Sides, builds);
            roles.Add(role);
        }

        return roles;
    }

    /// <summary>How many groups to remove so that this share of the original ones is gone: the kept ones are rounded down, then brought to an allowed width.</summary>
    public int RemovedAt(decimal ratio) => RoundedDown(Groups.Length - Allowed((int)Math.Floor((OriginalCount * (1 - ratio)) + Rounding)));

    /// <summary>
    /// The number of groups to keep: the wanted number, brought to a width that is a multiple and no less than the minimum, and never more
    /// groups than there are.
    /// </summary>
    public int Allowed(int wanted)
    {
        var keep = (int)Math.Round((decimal)wanted / _step, MidpointRounding.AwayFromZero) * _step;
        if (keep < _least)
            keep = (_least + _step - 1) / _step * _step;
        return wanted >= Groups.Length ? Groups.Length : Math.Min(keep, Groups.Length);
    }

    /// <summary>The largest number to remove, at most the given one, that may go and leaves an allowed width.</summary>
    public int RoundedDown(int removed)
    {
        removed = Math.Min(removed, Order.Length);
        while (removed > 0 && (Groups.Length - removed) % _step != 0)
            removed--;
        return Math.Max(removed, 0);
    }

    /// <summary>The next larger number to remove, or null.</summary>
    public int? OneMore(int removed)
    {
        for (var more = removed + 1; more <= Order.Length; more++)
        {
            if ((Groups.Length - more) % _step == 0)
                return more;
        }

        return null;
    }

    /// <summary>The fewest groups that the role keeps where it is cut alone.</summary>
    public bool MayKeep(int kept) => kept >= Math.Min(_least, Groups.Length);

    /// <summary>The signature of every group's role, by the group's index.</summary>
    public static string[] Signatures(DependencyGraph graph)
    {
        var builds = graph.Layers.ToDictionary(layer => layer.Name, Build, StringComparer.Ordinal);
        var signatures = new string[graph.Groups.Count];
        foreach (var role in graph.Roles)
        {
            foreach (var group in role.Groups)
                signatures[group] = SignatureOf(role.Sides, builds);
        }

        return signatures;
    }

    private static string SignatureOf(IReadOnlyList<RoleSide> sides, Dictionary<string, string> builds)
        => string.Join('|', sides.Select(side => $"{builds[side.Layer]}/{side.Axis}/{side.Channels}").Order(StringComparer.Ordinal));

    private static string Key(ChannelRole role) => string.Join('|', role.Sides.Select(side => $"{side.Layer}/{side.Axis}/{side.Channels}"));

    /// <summary>A layer's kind, mapping, and the shapes of its tensors with letters in place of its widths.</summary>
    private static string Build(TracedLayer layer)
    {
        var tensors = layer.Rule.Tensors(layer.Module).Select(tensor =>
        {
            var axes = tensor.Axes.ToLookup(axis => axis.Axis, axis => axis.Side == ChannelAxis.Input ? "i" : "o");
            return $"{tensor.Name}[{string.Join(',', tensor.Tensor.shape.Select((length, axis) => axes.Contains(axis) ? string.Concat(axes[axis]) : $"{length}"))}]";
        });
        return $"{layer.Kind} {layer.Mapping} {string.Join(' ', tensors)}";
    }

    private static long GreatestCommonDivisor(long a, long b) => b == 0 ? a : GreatestCommonDivisor(b, a % b);
}
