namespace FilterPruning.Detection.Ops;

/// <summary>
/// Draws a fixed number of predictions per image with at most a given share of positive ones. Mirrors
/// <c>BalancedPositiveNegativeSampler</c> of torchvision 0.14.1, <c>models/detection/_utils.py</c>.
/// </summary>
public sealed class BalancedSampler
{
    private readonly int _batchSizePerImage;
    private readonly double _positiveFraction;

    /// <summary>Creates a sampler.</summary>
    /// <param name="batchSizePerImage">How many predictions are drawn per image when there are enough; at least 1.</param>
    /// <param name="positiveFraction">The largest share of positive ones, 0 … 1.</param>
    public BalancedSampler(int batchSizePerImage, double positiveFraction)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSizePerImage, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(positiveFraction);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(positiveFraction, 1);
        (_batchSizePerImage, _positiveFraction) = (batchSizePerImage, positiveFraction);
    }

    /// <summary>Draws for every image.</summary>
    /// <param name="labels">Per image <c>[n]</c>: 1 or more is positive, 0 is negative, less than 0 is never drawn.</param>
    /// <param name="generator">The source of randomness (on the CPU); null uses torch's global one.</param>
    /// <returns>Per image two bool masks <c>[n]</c>: the positive and the negative ones drawn. Owned by the caller.</returns>
    public (IReadOnlyList<Tensor> Positive, IReadOnlyList<Tensor> Negative) Sample(IReadOnlyList<Tensor> labels, Generator? generator = null)
    {
        var positive = new Tensor[labels.Count];
        var negative = new Tensor[labels.Count];
        for (var i = 0; i < labels.Count; i++)
            (positive[i], negative[i]) = SampleOne(labels[i], generator);
        return (positive, negative);
    }

    private (Tensor Positive, Tensor Negative) SampleOne(Tensor labels, Generator? generator)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        var positive = labels.ge(1).nonzero().squeeze(1);
        var negative = labels.eq(0).nonzero().squeeze(1);
        var positives = Math.Min(positive.shape[0], (long)(_batchSizePerImage * _positiveFraction));
        var negatives = Math.Min(negative.shape[0], _batchSizePerImage - positives);
        return (Draw(labels, positive, positives, generator).MoveToOuterDisposeScope(), Draw(labels, negative, negatives, generator).MoveToOuterDisposeScope());
    }

    private static Tensor Draw(Tensor labels, Tensor candidates, long count, Generator? generator)
    {
        // Drawn on the CPU, so that a seed gives the same sample on every device.
        var chosen = randperm(candidates.shape[0], ScalarType.Int64, CPU, generator: generator).narrow(0, 0, count).to(labels.device);
        return zeros(labels.shape, ScalarType.Bool, labels.device).index_fill_(0, candidates.index_select(0, chosen), true);
    }
}
