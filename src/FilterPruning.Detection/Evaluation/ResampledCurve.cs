using static FilterPruning.Detection.Evaluation.CocoParameters;

namespace FilterPruning.Detection.Evaluation;

/// <summary>One class's precision–recall curve at one threshold, which can be drawn for any number of copies of each image without matching again.</summary>
/// <param name="images">For each detection that counts, in descending order of scores, its image's position.</param>
/// <param name="right">For each of them whether it matched a ground truth.</param>
/// <param name="truths">Images with ground truth: position and number.</param>
/// <remarks>Matching never looks beyond one image, so copies of an image are matched as the image was.</remarks>
internal sealed class ResampledCurve(int[] images, bool[] right, (int Image, int Count)[] truths)
{
    private readonly double[] _precisions = new double[images.Length];
    private readonly double[] _recalls = new double[images.Length];

    /// <summary>Average precision; −1 where the copies hold no ground truth.</summary>
    /// <param name="copies">How often each image is there.</param>
    public double AveragePrecision(ReadOnlySpan<int> copies)
    {
        long all = 0;
        foreach (var (image, count) in truths)
            all += (long)copies[image] * count;
        if (all == 0)
            return -1;
        var points = Walk(copies, all);

        // precision at a recall is the best precision at that recall or beyond
        for (var i = points - 1; i > 0; i--)
            _precisions[i - 1] = Math.Max(_precisions[i - 1], _precisions[i]);
        double sum = 0;
        var at = 0;
        foreach (var recall in Recalls)
        {
            while (at < points && _recalls[at] < recall)
                at++;
            if (at == points)
                break;
            sum += _precisions[at];
        }

        return sum / Recalls.Length;
    }

    // Copies of a detection stand side by side. One point for all of them is enough: within a run of right ones precision only rises, so the best at or beyond any of
    // them is the last one's; a run of wrong ones adds no recall.
    private int Walk(ReadOnlySpan<int> copies, long all)
    {
        long hits = 0, misses = 0;
        var points = 0;
        for (var i = 0; i < images.Length; i++)
        {
            var weight = copies[images[i]];
            if (weight == 0)
                continue;
            if (right[i])
                hits += weight;
            else
                misses += weight;
            _recalls[points] = (double)hits / all;
            _precisions[points++] = hits / (misses + hits + CategoryAccumulator.Epsilon);
        }

        return points;
    }
}
