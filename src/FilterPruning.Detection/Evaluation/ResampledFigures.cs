namespace FilterPruning.Detection.Evaluation;

/// <summary>The figures of a data set in which each image occurs any number of times.</summary>
/// <param name="curves">The mask curve at IoU 0.50 of each class that has ground truth.</param>
/// <param name="matched">What was matched on each image and in each class.</param>
internal sealed class ResampledFigures(ResampledCurve[] curves, (int Image, double IouSum, int Matches, int GroundTruths)[] matched)
{
    /// <summary>Mask AP50, IoU of matched masks and match rate; −1 where nothing is there to measure.</summary>
    public (double MaskAP50, double IouAt50, double MatchRate) Of(ReadOnlySpan<int> copies)
    {
        var (sum, classes) = (0.0, 0);
        foreach (var curve in curves)
        {
            // A class whose ground truth was not drawn is no part of the mean, as in COCO.
            if (curve.AveragePrecision(copies) is not (>= 0 and var precision))
                continue;
            sum += precision;
            classes++;
        }

        var (iou, pairs, truths) = (0.0, 0L, 0L);
        foreach (var entry in matched)
        {
            iou += copies[entry.Image] * entry.IouSum;
            pairs += (long)copies[entry.Image] * entry.Matches;
            truths += (long)copies[entry.Image] * entry.GroundTruths;
        }

        return (classes == 0 ? -1 : sum / classes, pairs == 0 ? -1 : iou / pairs, truths == 0 ? -1 : (double)pairs / truths);
    }
}
