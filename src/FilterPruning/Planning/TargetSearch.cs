using System.Globalization;

namespace FilterPruning.Planning;

/// <summary>Finds the least that must go for a model to cost no more than a target.</summary>
/// <remarks>
/// First the ratio is bisected: the cost falls with it, but in steps in which several roles may narrow at once. Then the gap is closed with single steps of
/// roles, from both ends of the last interval: from below steps are given back, dearest first; from above further ones are taken, cheapest first. Of the two
/// ways the one is chosen that comes within 1 %, or strays less from where it began. Widths are allowed ones all along, so that nothing is rounded afterwards.
/// </remarks>
internal sealed class TargetSearch
{
    // 2^-30 tells apart the shares of roles of tens of thousands of groups.
    private const int Bisections = 30;
    private const int MostExchanged = 6;

    private readonly GroupSelection _selection;
    private readonly Func<int[], long> _cost;
    private readonly long _most;

    private TargetSearch(GroupSelection selection, Func<int[], long> cost, long most) => (_selection, _cost, _most) = (selection, cost, most);

    /// <summary>How many groups each role loses.</summary>
    /// <param name="selection">What may go, and in which order.</param>
    /// <param name="target">What should remain.</param>
    /// <param name="most">The most that may remain, in the target's measure.</param>
    /// <param name="cost">The cost in the target's measure when each role lost so many groups.</param>
    /// <exception cref="PruningOptionsException">Not even everything that may go is enough.</exception>
    public static int[] Find(GroupSelection selection, PruningTarget target, long most, Func<int[], long> cost)
    {
        var search = new TargetSearch(selection, cost, most);
        var none = selection.AtRatio(0);
        var nothing = cost(none);
        if (nothing <= most)
            return none;
        var everything = selection.AtRatio(1);
        if (cost(everything) > most)
        {
            everything = search.Squeeze(everything);
            if (cost(everything) is var least && least > most)
                throw Unreachable(target, most, least, nothing);
        }

        var (low, high) = search.Bisect(none, everything);
        var fromBelow = search.Fill(high, -1);
        if (search.Trim(low) is { } trimmed && search.Fill(trimmed, -1) is var fromAbove && search.IsBetter((fromAbove, low), (fromBelow, high)))
            return search.Refine(fromAbove);
        return search.Refine(fromBelow);
    }

    private (int[] Low, int[] High) Bisect(int[] low, int[] high)
    {
        var (from, to) = (0m, 1m);
        for (var i = 0; i < Bisections; i++)
        {
            var middle = (from + to) / 2;
            var counts = _selection.AtRatio(middle);
            if (counts.AsSpan().SequenceEqual(high) || (!counts.AsSpan().SequenceEqual(low) && _cost(counts) <= _most))
                (to, high) = (middle, counts);
            else
                (from, low) = (middle, counts);
        }

        return (low, high);
    }

    /// <summary>Whether the first way is better than the second: each with its end and its beginning.</summary>
    private bool IsBetter((int[] End, int[] Begin) first, (int[] End, int[] Begin) second)
    {
        var (gap, other) = (Gap(first.End), Gap(second.End));
        return Math.Max(gap, other) > _most / 100 ? gap < other : Stray(first) < Stray(second);

        // The largest part of a role by which a way leaves its beginning.
        double Stray((int[] End, int[] Begin) way) => _selection.Roles.Select((role, i) => Math.Abs(way.End[i] - way.Begin[i]) / (double)role.Groups.Length).Max();
    }

    /// <summary>
    /// Takes steps until the cost is within the target, one a role and sweep, cheapest first, those that go further than needed only when nothing else is
    /// left; null when not even these are.
    /// </summary>
    private int[]? Trim(int[] counts)
    {
        while (_cost(counts) is var cost && cost > _most)
        {
            var steps = Candidates(role => _selection.TakeMore(counts, role)).Where(step => step.Cost < cost).OrderByDescending(step => step.Cost).ThenBy(step => step.Role).ToList();
            if (steps.Count == 0)
                return null;
            var small = steps.Where(step => step.Cost >= _most).DefaultIfEmpty(steps[0]).ToList();
            foreach (var step in small)
            {
                if (_cost(counts) > _most && _selection.TakeMore(counts, step.Role) is { } narrower)
                    counts = narrower;
            }
        }

        return counts;
    }

    /// <summary>Where single steps leave more than 1 %, exchanges steps of one role for steps of others.</summary>
    private int[] Refine(int[] counts)
    {
        while (Gap(counts) > _most / 100 && Exchange(counts) is { } better)
            counts = better;
        return counts;
    }

    /// <summary>Gives steps back, one a role and sweep, dearest first, until none fits or the gap is a thousandth of the target.</summary>
    private int[] Fill(int[] counts, int except)
    {
        for (var changed = true; changed && Gap(counts) > _most / 1000;)
        {
            changed = false;
            var dearest = Candidates(role => role == except ? null : _selection.GiveBack(counts, role))
                .Where(step => step.Cost <= _most).OrderByDescending(step => step.Cost).ThenBy(step => step.Role).ToList();
            foreach (var step in dearest)
            {
                if (_selection.GiveBack(counts, step.Role) is { } fuller && _cost(fuller) <= _most)
                    (counts, changed) = (fuller, true);
            }
        }

        return counts;
    }

    /// <summary>Takes a few steps more from one role and gives others back instead: the exchange that comes nearest to the target; null when none comes nearer.</summary>
    private int[]? Exchange(int[] counts)
    {
        int[]? best = null;
        var nearest = Gap(counts);
        for (var role = 0; role < counts.Length; role++)
        {
            var taken = counts;
            for (var steps = 1; steps <= MostExchanged && _selection.TakeMore(taken, role) is { } more; steps++)
            {
                taken = more;
                var filled = Fill(Fill(taken, role), -1);
                if (Gap(filled) < nearest)
                    (best, nearest) = (filled, Gap(filled));
            }
        }

        return best;
    }

    /// <summary>Takes steps for as long as any is left.</summary>
    private int[] Squeeze(int[] counts)
    {
        for (var role = 0; role < counts.Length; role++)
        {
            while (_selection.TakeMore(counts, role) is { } more)
                counts = more;
        }

        return counts;
    }

    private List<(int Role, int[] Counts, long Cost)> Candidates(Func<int, int[]?> step)
    {
        var candidates = new List<(int, int[], long)>();
        for (var role = 0; role < _selection.Roles.Count; role++)
        {
            if (step(role) is { } counts)
                candidates.Add((role, counts, _cost(counts)));
        }

        return candidates;
    }

    private long Gap(int[] counts) => _most - _cost(counts);

    private static PruningOptionsException Unreachable(PruningTarget target, long most, long least, long nothing) => new(
    [
        string.Create(
            CultureInfo.InvariantCulture,
            $"{nameof(PruningOptions.Target)} is '{target}', that is at most {most} {target.Measure.ToString().ToLowerInvariant()}; allowed is {least} to {nothing}, with everything gone that may go and nothing. ")
            + $"Ask for less, or set channels free: look at pinned layers ({nameof(PruningPlan)}.{nameof(PruningPlan.Layers)}, Skipped), {nameof(PruningOptions.MinimumWidth)}, "
            + $"{nameof(PruningOptions.MaximumLayerRatio)}, {nameof(PruningOptions.Ignore)}, {nameof(PruningOptions.KeepFrozen)} and {nameof(PruningOptions.LayerRatios)}.",
    ]);
}
