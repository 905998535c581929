using FilterPruning.Planning;

namespace FilterPruning.Selection;

/// <summary>Spends a budget over roles whose losses are known for every width.</summary>
/// <remarks>
/// The curves' lower convex hulls are walked down greedily, always where the loss grows least for each unit of cost that is saved now; what a step saves shrinks as its neighbours are cut, so that a slope
/// measured earlier is a lower bound. Since early steps are priced at full widths, steps are exchanged at the end for as long as that loses less, and the same is tried from even shares; the better result counts.
/// </remarks>
internal sealed class ErrorSpending
{
    private const int PiecesOfARole = 48;
    private const int MostExchanges = 400;

    private readonly IReadOnlyList<PlanRole> _roles;
    private readonly double[]?[] _lost;
    private readonly Func<int[], double> _cost;
    private readonly Func<LayerWidths> _widths;
    private readonly List<int>[] _hulls;
    private readonly CancellationToken _cancellation;

    /// <summary>Prepares the walk.</summary>
    /// <param name="roles">The roles.</param>
    /// <param name="lost">For each role what is lost when so many groups are gone; null for roles that are not to change.</param>
    /// <param name="cost">The cost when each role lost so many groups.</param>
    /// <param name="widths">Fresh widths, to see what layers can spare.</param>
    /// <param name="cancellation">Looked at before each step.</param>
    public ErrorSpending(IReadOnlyList<PlanRole> roles, double[]?[] lost, Func<int[], double> cost, Func<LayerWidths> widths, CancellationToken cancellation = default)
    {
        (_roles, _lost, _cost, _widths, _cancellation) = (roles, lost, cost, widths, cancellation);
        _hulls = [.. roles.Select((role, index) => Hull(role, lost[index]))];
    }

    /// <summary>What is lost in all when each role lost so many groups.</summary>
    public double Lost(int[] counts)
    {
        var total = 0.0;
        for (var role = 0; role < counts.Length; role++)
            total += _lost[role]?[counts[role]] ?? 0;
        return total;
    }

    /// <summary>How many groups each role loses.</summary>
    /// <param name="start">Where to begin: nothing gone but what other options say.</param>
    /// <param name="most">The most that the rest may cost.</param>
    /// <returns>Counts that cost no more; null when nothing does.</returns>
    public int[]? Spend(int[] start, double most)
    {
        var greedy = Greedy(start, most);
        var even = Even(start, most);
        foreach (var counts in new[] { greedy, even }.OfType<int[]>())
        {
            Fill(counts, start, most);
            Exchange(counts, start, most);
        }

        return greedy is null || (even is not null && Lost(even) < Lost(greedy)) ? even : greedy;
    }

    // The same share of every role, as little as is enough.
    private int[]? Even(int[] start, double most)
    {
        const int Shares = 256;
        for (var share = 0; share <= Shares; share++)
        {
            int[] counts = [.. start];
            for (var role = 0; role < counts.Length; role++)
            {
                if (_hulls[role].Count == 0)
                    continue;
                var wanted = Math.Min(_hulls[role][^1] * share / Shares, counts[role] + Spare(counts, role));
                counts[role] = Math.Max(counts[role], _roles[role].RoundedDown(wanted));
            }

            if (_cost(counts) <= most)
                return counts;
        }

        return null;
    }

    private int[]? Greedy(int[] start, double most)
    {
        int[] counts = [.. start];
        var queue = new PriorityQueue<int, (double Slope, int Role)>();
        for (var role = 0; role < counts.Length; role++)
            Enqueue(queue, counts, role);
        for (var cost = _cost(counts); cost > most;)
        {
            _cancellation.ThrowIfCancellationRequested();
            if (!queue.TryDequeue(out var role, out var priority))
                return null;
            if (Next(counts, role) is not { } next)
                continue;
            var slope = Slope(counts, role, next, cost);
            if (slope > priority.Slope && queue.TryPeek(out _, out var rival) && (slope, role).CompareTo(rival) > 0)
            {
                queue.Enqueue(role, (slope, role));
                continue;
            }

            var before = counts[role];
            counts[role] = next;
            cost = _cost(counts);
            if (cost <= most)
                counts[role] = Enough(counts, role, before, most);
            else
                Enqueue(queue, counts, role);
        }

        return counts;
    }

    private void Enqueue(PriorityQueue<int, (double Slope, int Role)> queue, int[] counts, int role)
    {
        if (Next(counts, role) is { } next)
            queue.Enqueue(role, (Slope(counts, role, next, _cost(counts)), role));
    }

    // The next point of the hull that all layers can bear.
    private int? Next(int[] counts, int role)
    {
        var hull = _hulls[role];
        var at = hull.FindIndex(count => count > counts[role]);
        if (at < 0)
            return null;
        var spare = Spare(counts, role);
        var next = Math.Min(hull[at], _roles[role].RoundedDown(counts[role] + spare));
        return next > counts[role] ? next : null;
    }

    private int Spare(int[] counts, int role)
    {
        var widths = _widths();
        for (var i = 0; i < counts.Length; i++)
            widths.Remove(i, counts[i]);
        return widths.Spare(role);
    }

    private double Slope(int[] counts, int role, int next, double cost)
    {
        var saved = cost - _cost(With(counts, role, next));
        return saved <= 0 ? double.MaxValue : (_lost[role]![next] - _lost[role]![counts[role]]) / saved;
    }

    // The fewest that are enough.
    private int Enough(int[] counts, int role, int before, double most)
    {
        var enough = counts[role];
        for (int? count = _roles[role].OneMore(before); count is { } next && next < enough; count = _roles[role].OneMore(next))
        {
            if (_cost(With(counts, role, next)) <= most)
                return next;
        }

        return enough;
    }

    // Gives single steps back where the budget allows it, those first that give most for their cost.
    private int[] Fill(int[] counts, int[] start, double most, int except = -1)
    {
        while (true)
        {
            var (best, to, largest) = (-1, 0, double.NegativeInfinity);
            var cost = _cost(counts);
            for (var role = 0; role < counts.Length; role++)
            {
                if (role == except || GiveBack(counts, start, role, 1) is not { } back || _cost(With(counts, role, back)) is var more && more > most)
                    continue;
                var slope = (_lost[role]![counts[role]] - _lost[role]![back]) / Math.Max(more - cost, 1e-300);
                if (slope > largest)
                    (best, to, largest) = (role, back, slope);
            }

            if (best < 0)
                return counts;
            counts[best] = to;
        }
    }

    /// <summary>Exchanges steps: one role gives back, others lose more instead; steps of shrinking size.</summary>
    private void Exchange(int[] counts, int[] start, double most)
    {
        var exchanges = 0;
        foreach (var pieces in new[] { 4, 16, 64, 256 })
        {
            while (exchanges++ < MostExchanges && OneExchange(counts, start, most, pieces) is { } better)
            {
                _cancellation.ThrowIfCancellationRequested();
                better.CopyTo(counts, 0);
            }
        }

        Fill(counts, start, most);
    }

    // The best of: one role gives back and others pay for it, or one pays and others get it.
    private int[]? OneExchange(int[] counts, int[] start, double most, int pieces)
    {
        int[]? best = null;
        var least = Lost(counts) * (1 - 1e-9);
        foreach (var role in Enumerable.Range(0, counts.Length).Where(role => _lost[role] is not null))
        {
            var size = Math.Max(1, _roles[role].Groups.Length / pieces);
            if (GiveBack(counts, start, role, size) is { } back && Pay(With(counts, role, back), role, most, pieces) is { } paid)
                Consider(paid);
            if (Take(counts, role, size) is { } more)
                Consider(Fill(With(counts, role, more), start, most, role));
        }

        return best;

        void Consider(int[] changed)
        {
            if (Lost(changed) is var lost && lost < least)
                (best, least) = (changed, lost);
        }
    }

    // Steps of roles but one, cheapest first, until the budget is kept; null when that would lose more than it is worth.
    private int[]? Pay(int[] counts, int except, double most, int pieces)
    {
        for (var cost = _cost(counts); cost > most; cost = _cost(counts))
        {
            var (best, to, least) = (-1, 0, double.PositiveInfinity);
            for (var role = 0; role < counts.Length; role++)
            {
                if (role == except || _lost[role] is not { } lost || Take(counts, role, Math.Max(1, _roles[role].Groups.Length / pieces)) is not { } more)
                    continue;
                // What is saved beyond the need is worth nothing.
                var saved = Math.Min(cost - _cost(With(counts, role, more)), cost - most);
                if (saved > 0 && (lost[more] - lost[counts[role]]) / saved is var slope && slope < least)
                    (best, to, least) = (role, more, slope);
            }

            if (best < 0)
                return null;
            counts[best] = to;
        }

        return counts;
    }

    private int? GiveBack(int[] counts, int[] start, int role, int size)
    {
        if (_lost[role] is null || counts[role] <= start[role])
            return null;
        var back = _roles[role].RoundedDown(Math.Max(start[role], counts[role] - size));
        return back < counts[role] ? back : null;
    }

    private int? Take(int[] counts, int role, int size)
    {
        var most = Math.Min(_hulls[role].DefaultIfEmpty(0).Last(), counts[role] + Math.Min(size, Spare(counts, role)));
        var more = most > counts[role] ? _roles[role].RoundedDown(most) : 0;
        if (more <= counts[role])
            more = _roles[role].OneMore(counts[role]) is { } one && one <= _hulls[role].DefaultIfEmpty(0).Last() && one - counts[role] <= Spare(counts, role) ? one : 0;
        return more > counts[role] ? more : null;
    }

    private static int[] With(int[] counts, int role, int count)
    {
        int[] changed = [.. counts];
        changed[role] = count;
        return changed;
    }

    /// <summary>The corners of the lower convex hull of a role's curve, over counts that leave allowed widths.</summary>
    private static List<int> Hull(PlanRole role, double[]? lost)
    {
        var hull = new List<int>();
        if (lost is null)
            return hull;
        var allowed = new List<int> { 0 };
        for (int? count = role.OneMore(0); count is { } next && next < lost.Length && role.MayKeep(role.Groups.Length - next); count = role.OneMore(next))
            allowed.Add(next);
        var every = (allowed.Count + PiecesOfARole - 1) / PiecesOfARole;
        foreach (var count in allowed.Where((_, i) => i % every == 0 || i == allowed.Count - 1))
        {
            while (hull.Count >= 2 && (lost[hull[^1]] - lost[hull[^2]]) * (count - hull[^2]) >= (lost[count] - lost[hull[^2]]) * (hull[^1] - hull[^2]))
                hull.RemoveAt(hull.Count - 1);
            hull.Add(count);
        }

        return hull;
    }
}
