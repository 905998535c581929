using FilterPruning.Tracing;

namespace FilterPruning.Graph;

/// <summary>Finds, by rehearsal, the roles that the model's code does not let go channel by channel: some go in steps of equal blocks, the others stay.</summary>
internal sealed class FixedRoles(GraphBuilder builder, Rehearsal rehearsal)
{
    // A reshape to groups, a width that must stay divisible: powers of two, and what common networks use besides.
    private static readonly int[] _blocks = [2, 3, 4, 6, 8, 12, 16, 24, 32, 64];

    public void Settle()
    {
        while (true)
        {
            var draft = builder.MakeDraft();
            var roles = draft.FreeRoles();
            // Everything at once first: most models pass, and that costs two forwards.
            if (rehearsal.Failure(draft.Layers, roles) is null) return;
            var failing = new List<(ChannelRole Role, string Failure)>();
            Search(draft, roles, failing);
            if (failing.Count == 0) return;
            foreach (var (role, failure) in failing) Settle(draft, role, failure);
        }
    }

    private void Settle(GraphBuilder.Draft draft, ChannelRole role, string failure)
    {
        foreach (var blocks in _blocks.Where(blocks => role.Count % blocks == 0 && role.Count / blocks > 1))
        {
            var ties = SamePlaces(draft, role, blocks);
            var units = ties.SelectMany(tie => new[] { tie.First, tie.Second }).ToHashSet();
            var tried = builder.MakeDraft(ties);
            var roles = tried.FreeRoles(group => builder.UnitsOf(group).Any(units.Contains));
            if (roles.Count == 0 || rehearsal.FailureAtAnyScale(tried.Layers, roles) is not null) continue;
            builder.Decide(ties);
            return;
        }
        foreach (var group in role.Groups) builder.PinFixed(draft.Groups[group], failure);
    }

    private List<(int First, int Second)> SamePlaces(GraphBuilder.Draft draft, ChannelRole role, int blocks)
    {
        var ties = new List<(int, int)>();
        var width = role.Count / blocks;
        for (var at = width; at < role.Count; at++)
            ties.Add((builder.UnitsOf(draft.Groups[role.Groups[at % width]]).First(), builder.UnitsOf(draft.Groups[role.Groups[at]]).First()));
        return ties;
    }

    // Halves, down to single roles.
    private void Search(GraphBuilder.Draft draft, IReadOnlyList<ChannelRole> roles, List<(ChannelRole Role, string Failure)> failing)
    {
        if (roles.Count == 0 || rehearsal.Failure(draft.Layers, roles) is not { } failure) return;
        if (roles.Count == 1)
        {
            failing.Add((roles[0], failure));
            return;
        }
        var (before, middle) = (failing.Count, roles.Count / 2);
        Search(draft, [.. roles.Take(middle)], failing);
        Search(draft, [.. roles.Skip(middle)], failing);
        if (failing.Count > before) return;
        // Each half passes and both together do not: the second stays whole.
        failing.AddRange(roles.Skip(middle).Select(role => (role, failure)));
    }
}
