namespace FilterPruning.Recovery;

/// <summary>Mean and variance of each channel over everything that was added, in float64, without keeping it (Chan, Golub and LeVeque 1979). Owns its tensors.</summary>
internal sealed class ChannelMoments : IDisposable
{
    private Tensor? _mean;
    private Tensor? _squares;

    /// <summary>Values seen for each channel.</summary>
    public long Count { get; private set; }

    /// <summary>float64 <c>[channels]</c>, on the CPU; this object's.</summary>
    public Tensor Mean => _mean ?? throw new InvalidOperationException("Nothing was added yet.");

    /// <summary>Σ (x − mean)², float64 <c>[channels]</c>; this object's.</summary>
    public Tensor SquaredDeviations => _squares ?? throw new InvalidOperationException("Nothing was added yet.");

    /// <summary>Adds every position of a tensor whose channels lie along an axis.</summary>
    public void Add(Tensor values, int axis)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var flat = values.detach().movedim([axis], [0]).flatten(1).to(float64).cpu();        // [channels, positions]
        var count = flat.shape[1];
        if (count == 0)
            return;
        var mean = flat.mean([1]);
        var squares = (flat - mean.unsqueeze(1)).square().sum(1);
        if (_mean is null)
        {
            (_mean, _squares) = (mean.DetachFromDisposeScope(), squares.DetachFromDisposeScope());
        }
        else
        {
            var total = Count + count;
            var distance = mean - _mean;
            _squares!.add_(squares).add_(distance.square() * ((double)Count * count / total));
            _mean.add_(distance * ((double)count / total));
        }

        Count += count;
    }

    /// <summary>The unbiased variance, float64 <c>[channels]</c>; the caller's.</summary>
    public Tensor UnbiasedVariance() => SquaredDeviations / Math.Max(1, Count - 1);

    /// <summary>The mean square, float64 <c>[channels]</c>; the caller's.</summary>
    public Tensor MeanSquare()
    {
        using var scope = NewDisposeScope();
        return ((SquaredDeviations / Count) + Mean.square()).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        _mean?.Dispose();
        _squares?.Dispose();
        (_mean, _squares, Count) = (null, null, 0);
    }
}
