namespace FilterPruning.Detection.Evaluation;

/// <summary>
/// COCO's matching: the best detection chooses first. Each takes the free ground truth with the highest overlap of at least the threshold (of equal ones the
/// last), and one that is to be ignored only where no other is left. A crowd may be taken many times.
/// Source: <c>COCOeval.evaluateImg</c> in <c>pycocotools/cocoeval.py</c>.
/// </summary>
internal static class GreedyMatcher
{
    /// <summary>Caps the threshold, so that rounding cannot keep a perfect overlap from meeting a threshold of 1.</summary>
    private const double AlmostOne = 1 - 1e-10;

    /// <summary>Matches the detections of one image and class.</summary>
    /// <param name="overlaps"><c>[detections × truths]</c>, detections in descending order of scores.</param>
    /// <param name="ignore">For each ground truth whether it is to be ignored.</param>
    /// <param name="crowd">For each ground truth whether it is a crowd.</param>
    /// <param name="order">The ground truths, those to be ignored last.</param>
    /// <param name="threshold">The smallest overlap that counts.</param>
    /// <param name="taken">Room for one flag per ground truth.</param>
    /// <param name="matches">Receives for each detection the ground truth it took, or −1.</param>
    public static void Match(
        ReadOnlySpan<double> overlaps, ReadOnlySpan<bool> ignore, ReadOnlySpan<bool> crowd, ReadOnlySpan<int> order, double threshold, Span<bool> taken, Span<int> matches)
    {
        taken.Clear();
        var truths = ignore.Length;
        for (var d = 0; d < matches.Length; d++)
        {
            var row = overlaps.Slice(d * truths, truths);
            var (best, match) = (Math.Min(threshold, AlmostOne), -1);
            foreach (var g in order)
            {
                if (taken[g] && !crowd[g])
                    continue;
                if (match >= 0 && !ignore[match] && ignore[g])
                    break;
                if (row[g] >= best)
                    (best, match) = (row[g], g);
            }

            matches[d] = match;
            if (match >= 0)
                taken[match] = true;
        }
    }

    /// <summary>Indices of the ground truths, those to be ignored last, otherwise in the order given.</summary>
    public static void OrderIgnoredLast(ReadOnlySpan<bool> ignore, Span<int> order)
    {
        var at = 0;
        foreach (var wanted in (ReadOnlySpan<bool>)[false, true])
        {
            for (var g = 0; g < ignore.Length; g++)
            {
                if (ignore[g] == wanted)
                    order[at++] = g;
            }
        }
    }
}
