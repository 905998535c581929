namespace FilterPruning.Detection.Evaluation;

/// <summary>
/// How well the found objects are outlined: the mean overlap of the detections that match a ground truth ("IoU@0.5"), with the share of ground truths matched
/// beside it. Neither says much alone: a detector that finds only the easiest object has a high IoU.
/// </summary>
/// <param name="MeanIou">Mean IoU of the matched pairs, threshold … 1; −1 without any.</param>
/// <param name="MatchRate">Matched ground truths / all ground truths, crowds left out, 0 … 1; −1 without any ground truth.</param>
/// <param name="Matches">The number of matched pairs.</param>
/// <param name="GroundTruths">The number of ground truths that are no crowds.</param>
public sealed record MatchedIou(double MeanIou, double MatchRate, int Matches, int GroundTruths)
{
    /// <summary>
    /// Matches per image and class as COCO does, and measures the pairs. Detections with a score above the minimum (at most the best 100 per image and class) choose in
    /// descending order of scores, each the free ground truth with the highest IoU of at least the threshold. Crowds are left out as if they were not
    /// annotated. The mean is over all pairs of all images and classes, each counting once.
    /// </summary>
    /// <param name="truths">All annotated objects.</param>
    /// <param name="detections">All detections on the same images.</param>
    /// <param name="type">Whether boxes or masks are compared; masks for the study's figure.</param>
    /// <param name="threshold">The smallest IoU of a match, above 0 and at most 1.</param>
    /// <param name="minimumScore">Only detections with a score above this are counted.</param>
    /// <exception cref="ArgumentException">As <see cref="CocoEvaluator.Evaluate"/>, or the threshold is out of range.</exception>
    public static MatchedIou Compute(
        IReadOnlyList<GroundTruthInstance> truths, IReadOnlyList<DetectedInstance> detections, IouType type = IouType.Mask, double threshold = 0.5, double minimumScore = 0.5)
    {
        return Summarize(OfImages(truths, detections, type, threshold, minimumScore));
    }

    /// <summary>The means of what was matched.</summary>
    internal static MatchedIou Summarize(IReadOnlyList<(long ImageId, double IouSum, int Matches, int GroundTruths)> images)
    {
        var (pairs, all) = (images.Sum(image => image.Matches), images.Sum(image => image.GroundTruths));
        return new MatchedIou(pairs == 0 ? -1 : images.Sum(image => image.IouSum) / pairs, all == 0 ? -1 : (double)pairs / all, pairs, all);
    }

    /// <summary>The same, image by image and class by class, before the means are taken.</summary>
    internal static IReadOnlyList<(long ImageId, double IouSum, int Matches, int GroundTruths)> OfImages(
        IReadOnlyList<GroundTruthInstance> truths, IReadOnlyList<DetectedInstance> detections, IouType type, double threshold, double minimumScore)
    {
        ArgumentNullException.ThrowIfNull(truths);
        ArgumentNullException.ThrowIfNull(detections);
        if (!(threshold is > 0 and <= 1))
            throw new ArgumentOutOfRangeException(nameof(threshold), threshold, "The smallest IoU of a match must be above 0 and at most 1.");
        var images = new List<(long, double, int, int)>();
        var real = truths.Where(truth => truth is null || !truth.IsCrowd).ToArray();
        var sure = detections.Where(detection => detection is null || detection.Score > minimumScore || double.IsNaN(detection.Score)).ToArray(); // NaN is refused later
        foreach (var (_, cells) in EvaluationCell.Group(real, sure, type))
        {
            foreach (var cell in cells)
            {
                cell.Prepare(type);
                var matches = Match(cell, threshold);
                var (sum, pairs) = (0.0, 0);
                for (var d = 0; d < matches.Length; d++)
                {
                    if (matches[d] < 0)
                        continue;
                    sum += cell.Overlaps[d * cell.Truths.Count + matches[d]];
                    pairs++;
                }

                images.Add((cell.ImageId, sum, pairs, cell.Truths.Count));
                cell.Release();
            }
        }

        return images;
    }

    private static int[] Match(EvaluationCell cell, double threshold)
    {
        var none = new bool[cell.Truths.Count];
        var order = new int[none.Length];
        GreedyMatcher.OrderIgnoredLast(none, order);
        var matches = new int[cell.Detections.Count];
        GreedyMatcher.Match(cell.Overlaps, none, none, order, threshold, new bool[none.Length], matches);
        return matches;
    }
}
