using FilterPruning.Graph;

namespace FilterPruning.Planning;

/// <summary>Picks the groups to remove. Works on group indices, scores and widths alone.</summary>
/// <remarks>Shares are taken in decimal arithmetic, in which a ratio of 0.3 is three tenths: in binary, 0.7 of 10 is a little less than 7.</remarks>
internal sealed class GroupSelection(DependencyGraph graph, PruningOptions options, double?[] scores, bool[] prunable)
{
    private readonly List<GroupRole> _roles = GroupRole.Of(graph);

    /// <summary>Each role loses its share.</summary>
    public bool[] Local()
    {
        var removed = new bool[graph.Groups.Count];
        foreach (var role in _roles)
        {
            var keep = role.Allowed((int)Math.Floor(role.Groups.Count * (1 - (decimal)options.Ratio)), options);
            foreach (var group in Weakest(role.Groups).Take(role.Groups.Count - keep))
                removed[group] = true;
        }

        return removed;
    }

    /// <summary>All groups are ranked together.</summary>
    public bool[] Global()
    {
        var removed = new bool[graph.Groups.Count];
        var widths = new LayerWidths(graph, options.MinimumWidth);
        var ranked = Weakest(Enumerable.Range(0, graph.Groups.Count)).ToList();
        var left = (int)Math.Round(ranked.Count * (decimal)options.Ratio, MidpointRounding.AwayFromZero);
        foreach (var group in ranked)
        {
            if (left == 0)
                break;
            if (!widths.TryRemove(group))
                continue;
            removed[group] = true;
            left--;
        }

        if (options.ChannelMultiple > 1)
            RoundWidths(removed, widths);
        return removed;
    }

    /// <summary>Brings each role to the nearest multiple: gives back the strongest removed groups, or takes the weakest kept ones as well.</summary>
    private void RoundWidths(bool[] removed, LayerWidths widths)
    {
        foreach (var role in _roles)
        {
            var kept = role.Groups.Count(group => !removed[group]);
            var keep = role.Allowed(kept, options);
            foreach (var group in Weakest(role.Groups).Reverse().Where(group => removed[group]).Take(keep - kept).ToList())
            {
                removed[group] = false;
                widths.Restore(group);
            }

            foreach (var group in Weakest(role.Groups).Where(group => !removed[group]).Take(kept - keep).ToList())
                removed[group] = widths.TryRemove(group);
        }
    }

    /// <summary>Prunable groups, lowest score first; equal scores in the order of the indices.</summary>
    private IEnumerable<int> Weakest(IEnumerable<int> groups) => groups.Where(group => prunable[group]).OrderBy(group => scores[group]).ThenBy(group => group);
}
