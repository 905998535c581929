namespace FilterPruning.Selection;

/// <summary>In which order the groups of a role go, and what is lost when they are gone.</summary>
/// <param name="Order">Group positions within the role; the first goes first. Groups that stay are not in it.</param>
/// <param name="Lost"><c>Lost[k]</c>: what is lost (see <see cref="SubsetSearch.Lost"/>) when the first k of <paramref name="Order"/> are gone; never falling.</param>
internal sealed record SelectionOrder(int[] Order, double[] Lost)
{
    /// <summary>Starts with all groups and always removes the one that costs least, with all readers refitted after every step.</summary>
    /// <param name="readers">Who reads the groups.</param>
    /// <param name="stays">Groups that are never removed.</param>
    /// <param name="noise">Variance of the noise that each channel is taken to carry, as a share of its own variance.</param>
    /// <param name="cancellation">Looked at before each step.</param>
    public static SelectionOrder Backward(IReadOnlyList<ReaderMoments> readers, bool[] stays, double noise, CancellationToken cancellation = default)
    {
        using var search = new SubsetSearch(readers, stays.Length, noise, allInUse: true);
        var order = new List<int>();
        var lost = new List<double> { search.Lost };
        while (order.Count < stays.Count(stay => !stay))
        {
            cancellation.ThrowIfCancellationRequested();
            var next = Least(search, stays);
            search.Toggle(next, drop: true);
            order.Add(next);
            lost.Add(Math.Max(lost[^1], search.Lost));
        }

        return new SelectionOrder([.. order], [.. lost]);
    }

    /// <summary>Starts with the groups that stay and always takes the one that adds most.</summary>
    /// <inheritdoc cref="Backward"/>
    public static SelectionOrder Forward(IReadOnlyList<ReaderMoments> readers, bool[] stays, double noise, CancellationToken cancellation = default)
    {
        using var search = new SubsetSearch(readers, stays.Length, noise, allInUse: false);
        for (var group = 0; group < stays.Length; group++)
        {
            if (stays[group])
                search.Toggle(group, drop: true);
        }

        var order = new List<int>();
        var lost = new List<double> { search.Lost };
        while (order.Count < stays.Count(stay => !stay))
        {
            cancellation.ThrowIfCancellationRequested();
            var next = Most(search, stays);
            search.Toggle(next, drop: true);
            order.Add(next);
            lost.Add(search.Lost);
        }

        order.Reverse();
        lost.Reverse();
        for (var i = 1; i < lost.Count; i++)
            lost[i] = Math.Max(lost[i], lost[i - 1]);
        return new SelectionOrder([.. order], [.. lost]);
    }

    /// <summary>What is lost when groups go in a given order.</summary>
    /// <param name="readers">Who reads the groups.</param>
    /// <param name="groups">How many groups the role has.</param>
    /// <param name="order">The groups that may go, first to go first.</param>
    /// <param name="noise">As in <see cref="Backward"/>.</param>
    /// <param name="cancellation">Looked at before each step.</param>
    public static SelectionOrder Along(IReadOnlyList<ReaderMoments> readers, int groups, int[] order, double noise, CancellationToken cancellation = default)
    {
        using var search = new SubsetSearch(readers, groups, noise, allInUse: true);
        var lost = new List<double> { search.Lost };
        foreach (var group in order)
        {
            cancellation.ThrowIfCancellationRequested();
            search.Toggle(group, drop: true);
            lost.Add(Math.Max(lost[^1], search.Lost));
        }

        return new SelectionOrder(order, [.. lost]);
    }

    /// <summary>Exchanges groups that went for groups that stayed as long as less is lost by it.</summary>
    /// <param name="readers">Who reads the groups.</param>
    /// <param name="stays">Groups that are never removed.</param>
    /// <param name="removed">Which groups go, to begin with.</param>
    /// <param name="noise">As in <see cref="Backward"/>.</param>
    /// <param name="most">The most exchanges.</param>
    /// <param name="cancellation">Looked at before each exchange.</param>
    /// <returns>Which groups go, as many as before, and what is lost.</returns>
    public static (bool[] Removed, double Lost) Refine(
        IReadOnlyList<ReaderMoments> readers, bool[] stays, bool[] removed, double noise, int most, CancellationToken cancellation = default)
    {
        using var search = new SubsetSearch(readers, stays.Length, noise, allInUse: true);
        for (var group = 0; group < removed.Length; group++)
        {
            if (removed[group])
                search.Toggle(group, drop: false);
        }

        for (var exchange = 0; exchange < most; exchange++)
        {
            cancellation.ThrowIfCancellationRequested();
            var before = search.Lost;
            if (Most(search, stays) is not (>= 0 and var back))
                break;
            search.Toggle(back, drop: false);
            var goes = Least(search, stays);
            search.Toggle(goes, drop: false);
            if (goes == back || search.Lost > before * (1 - 1e-9))
            {
                if (goes != back)
                {
                    search.Toggle(goes, drop: false);
                    search.Toggle(back, drop: false);
                }

                break;
            }
        }

        return ([.. search.InUse.Select(used => !used)], search.Lost);
    }

    // The group in use that costs least; of equals the first. −1 when there is none.
    private static int Least(SubsetSearch search, bool[] stays)
    {
        var best = -1;
        for (var group = 0; group < search.Groups; group++)
        {
            if (search.InUse[group] && !stays[group] && (best < 0 || search.Values[group] < search.Values[best]))
                best = group;
        }

        return best;
    }

    // The group out of use that adds most; of equals the last, so that the first goes first.
    private static int Most(SubsetSearch search, bool[] stays)
    {
        var best = -1;
        for (var group = search.Groups - 1; group >= 0; group--)
        {
            if (!search.InUse[group] && !stays[group] && (best < 0 || search.Values[group] > search.Values[best]))
                best = group;
        }

        return best;
    }
}
