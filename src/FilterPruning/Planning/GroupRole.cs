using FilterPruning.Graph;

namespace FilterPruning.Planning;

/// <summary>The channel groups with the same signature: the same sides of the same layers, with the same multiplicities.</summary>
internal sealed class GroupRole
{
    private GroupRole(IReadOnlyList<int> groups, int outputsPerGroup)
    {
        Groups = groups;
        OutputsPerGroup = outputsPerGroup;
    }

    /// <summary>Indices of the groups, ascending; pinned ones included.</summary>
    public IReadOnlyList<int> Groups { get; }

    /// <summary>How many output channels of a layer one group holds: 1, but for grouped convolutions and the like. The least over the layers.</summary>
    public int OutputsPerGroup { get; }

    /// <summary>All roles of a graph that have output channels.</summary>
    public static List<GroupRole> Of(DependencyGraph graph)
    {
        var roles = new Dictionary<string, (List<int> Groups, int OutputsPerGroup)>();
        foreach (var group in graph.Groups)
        {
            var sides = group.Members.GroupBy(member => (member.Layer, member.Axis)).Select(side => (side.Key.Layer, side.Key.Axis, Count: side.Count())).ToList();
            var outputs = sides.Where(side => side.Axis == ChannelAxis.Output).Select(side => side.Count).DefaultIfEmpty(0).Min();
            if (outputs == 0)
                continue;
            var signature = string.Join('|', sides.Select(side => $"{side.Layer}/{side.Axis}/{side.Count}").Order(StringComparer.Ordinal));
            if (!roles.TryGetValue(signature, out var role))
                roles[signature] = role = ([], outputs);
            role.Groups.Add(group.Index);
        }

        return [.. roles.Values.Select(role => new GroupRole(role.Groups, role.OutputsPerGroup))];
    }

    /// <summary>
    /// The number of groups to keep: the wanted number, brought to a width that is a multiple and no less than the minimum, and never more
    /// groups than there are.
    /// </summary>
    public int Allowed(int wanted, PruningOptions options)
    {
        var step = options.ChannelMultiple / (int)GreatestCommonDivisor(options.ChannelMultiple, OutputsPerGroup);
        var least = (options.MinimumWidth + OutputsPerGroup - 1) / OutputsPerGroup;
        var keep = (int)Math.Round((decimal)wanted / step, MidpointRounding.AwayFromZero) * step;
        if (keep < least || keep < 1)
            keep = (Math.Max(least, 1) + step - 1) / step * step;
        return wanted >= Groups.Count ? Groups.Count : Math.Min(keep, Groups.Count);
    }

    private static long GreatestCommonDivisor(long a, long b) => b == 0 ? a : GreatestCommonDivisor(b, a % b);
}
