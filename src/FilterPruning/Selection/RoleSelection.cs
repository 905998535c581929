using FilterPruning.Graph;
using FilterPruning.Recovery;

namespace FilterPruning.Selection;

/// <summary>The groups with the same sides, pinned ones included, and in which order those that may go should go.</summary>
/// <param name="Sides">The sides that every group of the role touches.</param>
/// <param name="Groups">Indices of the groups in the graph, ascending.</param>
/// <param name="Path">The order, in positions of <paramref name="Groups"/>; null where no reader could be measured.</param>
internal sealed record RoleSelection(IReadOnlyList<RoleSide> Sides, int[] Groups, SelectionOrder? Path)
{
    /// <summary>All roles of a graph that have filters and groups that may go.</summary>
    public static IReadOnlyList<(IReadOnlyList<RoleSide> Sides, int[] Groups, bool[] Stays)> Roles(DependencyGraph graph)
    {
        var roles = new List<(IReadOnlyList<RoleSide>, int[], bool[])>();
        foreach (var same in graph.Roles.Where(role => role.Sides.Any(side => side.Axis == ChannelAxis.Output)).GroupBy(Key))
        {
            int[] groups = [.. same.SelectMany(role => role.Groups).Order()];
            bool[] stays = [.. groups.Select(group => graph.Groups[group].Pin is not null)];
            if (!stays.All(stay => stay))
                roles.Add((same.First().Sides, groups, stays));
        }

        return roles;
    }

    private static string Key(ChannelRole role) => string.Join('|', role.Sides.Select(side => $"{side.Layer}/{side.Axis}/{side.Channels}"));
}
