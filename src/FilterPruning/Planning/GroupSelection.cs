using FilterPruning.Graph;

namespace FilterPruning.Planning;

/// <summary>Picks how many groups of each role to remove. Works on scores and widths alone.</summary>
/// <remarks>Shares are taken in decimal arithmetic, in which a ratio of 0.3 is three tenths: in binary, 0.7 of 10 is a little less than 7.</remarks>
internal sealed class GroupSelection
{
    // Sums of fractions of groups are whole numbers but for rounding.
    private const int Digits = 6;

    private readonly PruningOptions _options;
    private readonly LayerWidths _widths;
    private readonly List<Competition> _competitions = [];

    public GroupSelection(DependencyGraph graph, PruningOptions options, IReadOnlyList<PlanRole> roles, double?[] scores, PlanHistory? history = null)
    {
        _options = options;
        Roles = roles;
        _widths = new LayerWidths(graph, roles, options, history);
        if (options.Scope == PruningScope.Local)
            return;
        var open = Enumerable.Range(0, roles.Count).Where(role => roles[role].OwnRatio is null);
        foreach (var rivals in open.GroupBy(role => options.Scope == PruningScope.Global ? "" : roles[role].Signature, StringComparer.Ordinal))
        {
            var ranked = rivals.SelectMany(role => roles[role].Order.Select((group, i) => (Group: group, Role: role, Unit: roles[role].Units[i])))
                .OrderBy(entry => scores[entry.Group]).ThenBy(entry => entry.Group).Select(entry => (entry.Role, entry.Unit));
            _competitions.Add(new Competition(
                [.. rivals], [.. ranked], Math.Round(rivals.Sum(role => roles[role].OriginalFree), Digits), Math.Round(rivals.Sum(role => roles[role].Gone), Digits)));
        }
    }

    /// <summary>The roles that the numbers below are about.</summary>
    public IReadOnlyList<PlanRole> Roles { get; }

    /// <summary>How many groups each role loses, weakest first, when this share is to go. Roles with a ratio of their own lose that.</summary>
    public int[] AtRatio(decimal ratio)
    {
        var counts = new int[Roles.Count];
        var widths = _widths.Copy();
        for (var role = 0; role < counts.Length; role++)
        {
            if (Roles[role].OwnRatio is null && _options.Scope != PruningScope.Local)
                continue;
            counts[role] = Roles[role].RoundedDown(Math.Min(widths.Spare(role), Roles[role].RemovedAt(Roles[role].OwnRatio is { } own ? (decimal)own : ratio)));
            widths.Remove(role, counts[role]);
        }

        foreach (var competition in _competitions)
        {
            Rank(competition, ratio, counts, widths);
            if (_options.ChannelMultiple > 1)
                RoundWidths(competition, counts, widths);
        }

        return counts;
    }

    /// <summary>The counts after a role gives a step back (the least that leaves an allowed width); null when it has none to give or is fixed.</summary>
    public int[]? GiveBack(int[] counts, int role)
        => counts[role] == 0 || Roles[role].OwnRatio is not null ? null : With(counts, role, Roles[role].RoundedDown(counts[role] - 1));

    /// <summary>The counts after a role loses a further step; null when it has none to lose or is fixed.</summary>
    public int[]? TakeMore(int[] counts, int role)
    {
        if (Roles[role].OwnRatio is not null || Roles[role].OneMore(counts[role]) is not { } more)
            return null;
        var kept = Roles[role].Groups.Length - more;
        var floor = _options.Scope == PruningScope.Local || _options.ChannelMultiple > 1;
        if (floor && !Roles[role].MayKeep(kept))
            return null;
        var widths = _widths.Copy();
        for (var i = 0; i < counts.Length; i++)
            widths.Remove(i, counts[i]);
        return widths.Spare(role) >= more - counts[role] ? With(counts, role, more) : null;
    }

    private static int[] With(int[] counts, int role, int count)
    {
        int[] changed = [.. counts];
        changed[role] = count;
        return changed;
    }

    /// <summary>The weakest groups of all rivals go. A group that some layer cannot spare is passed over.</summary>
    private static void Rank(Competition competition, decimal ratio, int[] counts, LayerWidths widths)
    {
        var left = (double)Math.Round((decimal)competition.Total * ratio, MidpointRounding.AwayFromZero) - competition.GoneBefore;
        foreach (var (role, unit) in competition.Ranked)
        {
            if (left < unit / 2)
                break;
            if (widths.Spare(role) == 0)
                continue;
            widths.Remove(role, 1);
            counts[role]++;
            left -= unit;
        }
    }

    /// <summary>Brings each role to the nearest multiple: gives back the strongest removed groups, or takes the weakest kept ones as well.</summary>
    private void RoundWidths(Competition competition, int[] counts, LayerWidths widths)
    {
        foreach (var role in competition.Roles)
        {
            var groups = Roles[role].Groups.Length;
            var wanted = groups - Roles[role].Allowed(groups - counts[role]);
            var count = Roles[role].RoundedDown(Math.Min(wanted, counts[role] + widths.Spare(role)));
            widths.Remove(role, count - counts[role]);
            counts[role] = count;
        }
    }

    /// <summary>Roles whose groups are ranked together.</summary>
    /// <param name="Roles">The roles.</param>
    /// <param name="Ranked">The role of each group that may go, weakest group first, and what the group is of an original one.</param>
    /// <param name="Total">The groups that might go, before any earlier step of an iterative run.</param>
    /// <param name="GoneBefore">Groups of theirs that went in earlier steps of an iterative run.</param>
    private sealed record Competition(int[] Roles, (int Role, double Unit)[] Ranked, double Total, double GoneBefore);
}
