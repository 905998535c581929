namespace FilterPruning.Detection.Ops;

/// <summary>
/// Assigns to each prediction (anchor, proposal) the ground truth it overlaps best. Mirrors <c>Matcher</c> of torchvision 0.14.1,
/// <c>models/detection/_utils.py</c>.
/// </summary>
/// <remarks>Immutable and safe to share between threads.</remarks>
public sealed class Matcher
{
    /// <summary>The match of a prediction whose best quality is below the low threshold: background.</summary>
    public const long BelowLowThreshold = -1;

    /// <summary>The match of a prediction whose best quality lies between the thresholds: neither object nor background.</summary>
    public const long BetweenThresholds = -2;

    private readonly double _high, _low;
    private readonly bool _allowLowQuality;

    /// <summary>Creates a matcher.</summary>
    /// <param name="highThreshold">The least quality (IoU, 0 … 1) of a match.</param>
    /// <param name="lowThreshold">Below this a prediction is background.</param>
    /// <param name="allowLowQualityMatches">Whether the predictions that fit a ground truth best are matched even below the high threshold.</param>
    public Matcher(double highThreshold, double lowThreshold, bool allowLowQualityMatches = false)
    {
        if (lowThreshold > highThreshold)
        {
            throw new ArgumentException(
                $"The low threshold must not be larger than the high one; given {lowThreshold} and {highThreshold}.", nameof(lowThreshold));
        }

        (_high, _low, _allowLowQuality) = (highThreshold, lowThreshold, allowLowQualityMatches);
    }

    /// <summary>Matches predictions with ground truths.</summary>
    /// <param name="quality">Floating point <c>[ground truths, predictions]</c>, for instance from <see cref="BoxOps.Iou"/>; neither may be zero.</param>
    /// <returns>
    /// int64 <c>[predictions]</c>: the ground truth's index, <see cref="BelowLowThreshold"/> or <see cref="BetweenThresholds"/>.
    /// </returns>
    public Tensor Match(Tensor quality)
    {
        if (quality.dim() != 2 || quality.NumberOfElements == 0)
        {
            throw new ArgumentException(
                $"There must be at least one ground truth and one prediction, shape [ground truths, predictions]; given [{string.Join(", ", quality.shape)}].",
                nameof(quality));
        }

        using var scope = NewDisposeScope();
        using var guard = no_grad();
        var (best, index) = quality.max(0);
        var matches = index.masked_fill(best.lt(_high), BetweenThresholds).masked_fill(best.lt(_low), BelowLowThreshold);
        if (_allowLowQuality)
        {
            // A prediction counts when no other fits one of the ground truths better; ties count all.
            var bestOfTruth = quality.amax([1], keepdim: true); // [ground truths, 1]
            matches = where(quality.eq(bestOfTruth).any(0), index, matches);
        }

        return matches.MoveToOuterDisposeScope();
    }
}
