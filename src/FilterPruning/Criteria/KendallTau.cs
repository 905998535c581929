namespace FilterPruning.Criteria;

/// <summary>Kendall's rank correlation τ-b, with ties, in O(n log n) (Knight, A Computer Method for Calculating Kendall's Tau with Ungrouped Data, 1966).</summary>
internal static class KendallTau
{
    /// <summary>(concordant − discordant pairs) / √(pairs not tied in x · pairs not tied in y); NaN where all of x or all of y are alike.</summary>
    public static double B(IReadOnlyList<double> x, IReadOnlyList<double> y)
    {
        // By x, and by y where x is tied: then every inversion of y is a discordant pair.
        var order = Enumerable.Range(0, x.Count).OrderBy(i => x[i]).ThenBy(i => y[i]).ToArray();
        var all = Pairs(x.Count);
        var tiedX = TiedPairs(order, (a, b) => x[a] == x[b]);
        var tiedBoth = TiedPairs(order, (a, b) => x[a] == x[b] && y[a] == y[b]);
        double[] values = [.. order.Select(i => y[i])];
        var discordant = SortCountingInversions(values, new double[values.Length], 0, values.Length);
        var tiedY = TiedPairs(values, (a, b) => a == b);
        var difference = all - tiedX - tiedY + tiedBoth - (2 * discordant);
        return difference / Math.Sqrt((double)(all - tiedX) * (all - tiedY));
    }

    private static long Pairs(long n) => n * (n - 1) / 2;

    private static long TiedPairs<T>(T[] sorted, Func<T, T, bool> tied)
    {
        var pairs = 0L;
        for (int first = 0, next; first < sorted.Length; first = next)
        {
            for (next = first + 1; next < sorted.Length && tied(sorted[first], sorted[next]);)
                next++;
            pairs += Pairs(next - first);
        }

        return pairs;
    }

    /// <summary>Merge sort of [from, to); the number of pairs that stood in strictly falling order.</summary>
    private static long SortCountingInversions(double[] values, double[] buffer, int from, int to)
    {
        if (to - from < 2)
            return 0;
        var middle = from + ((to - from) / 2);
        var inversions = SortCountingInversions(values, buffer, from, middle) + SortCountingInversions(values, buffer, middle, to);
        for (int left = from, right = middle, target = from; target < to; target++)
        {
            if (right == to || (left < middle && values[left] <= values[right]))
            {
                buffer[target] = values[left++];
            }
            else
            {
                inversions += middle - left;
                buffer[target] = values[right++];
            }
        }

        Array.Copy(buffer, from, values, from, to - from);
        return inversions;
    }
}
