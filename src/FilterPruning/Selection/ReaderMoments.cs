namespace FilterPruning.Selection;

/// <summary>What one reader of a role's channels says about them. Owns its tensors.</summary>
/// <remarks>
/// With G the (co)variance of the channels that the reader sees and M = W·Wᵀ its weights on them, summed over outputs, taps and positions, the energy that it loses when it is refitted from the
/// channels K alone is tr(M·(G − G_:K (G_KK + N_KK)⁻¹ G_K:)): N is the variance of the noise that the channels are taken to carry.
/// </remarks>
internal sealed class ReaderMoments : IDisposable
{
    private readonly Tensor _gram;
    private readonly Tensor _metric;

    /// <summary>Takes ownership of the two matrices.</summary>
    /// <param name="gram">float64 <c>[channels, channels]</c>: mean products of what the reader sees, about the means where it can take up a constant.</param>
    /// <param name="metric">float64 <c>[channels, channels]</c>: products of the reader's weights on the channels.</param>
    /// <param name="channels">For each group of the role its channels here; empty where the reader does not see the group.</param>
    /// <param name="energy">The energy of the reader's whole output; above 0.</param>
    /// <param name="weight">What a loss of all this energy counts.</param>
    public ReaderMoments(Tensor gram, Tensor metric, int[][] channels, double energy, double weight = 1)
    {
        _gram = gram.DetachFromDisposeScope();
        _metric = metric.DetachFromDisposeScope();
        Channels = channels;
        Energy = energy;
        Weight = weight;
    }

    /// <summary>For each group of the role its channels here.</summary>
    public int[][] Channels { get; }

    /// <summary>The energy of the reader's whole output.</summary>
    public double Energy { get; }

    /// <summary>What a loss of all this energy counts.</summary>
    public double Weight { get; set; }

    /// <summary>float64 <c>[channels, channels]</c>; owned by this object.</summary>
    public Tensor Gram => _gram;

    /// <summary>float64 <c>[channels, channels]</c>; owned by this object.</summary>
    public Tensor Metric => _metric;

    /// <summary>Energy of what the channels give to the output; no more than <see cref="Energy"/> unless channels of other roles work against them.</summary>
    public double Own()
    {
        using var scope = NewDisposeScope();
        return (_gram * _metric).sum().item<double>();
    }

    /// <summary>The state in which no channel is in use, and the energy that is lost then.</summary>
    public (SweepState State, double Lost) NoneInUse(double noise)
    {
        using var scope = NewDisposeScope();
        var target = _gram.mm(_metric).mm(_gram);
        return (new SweepState(Seen(noise), Symmetric(target)), Own());
    }

    /// <summary>The state in which all channels are in use, and the energy that is lost then, to the noise alone.</summary>
    public (SweepState State, double Lost) AllInUse(double noise)
    {
        using var scope = NewDisposeScope();
        var inverse = Inverse(Seen(noise));
        var weights = inverse.mm(_gram);                                            // coefficients of all channels from all channels
        var lost = Own() - (weights.mm(_metric) * _gram.t()).sum().item<double>();
        return (new SweepState(Symmetric(inverse).neg().contiguous(), Symmetric(weights.mm(_metric).mm(weights.t()))), Math.Max(0, lost));
    }

    public void Dispose()
    {
        _gram.Dispose();
        _metric.Dispose();
    }

    /// <summary>G + N.</summary>
    private Tensor Seen(double noise)
    {
        var diagonal = _gram.diagonal();
        // Relative to each channel, with a little of the mean, so that channels that are always zero can be inverted too.
        var floor = (1e-3 * noise * diagonal.mean()) + 1e-30;
        return (_gram + diag((diagonal * noise) + floor)).contiguous();
    }

    private static Tensor Inverse(Tensor positive)
    {
        var (factor, info) = linalg.cholesky_ex(positive);
        return info.item<int>() == 0 ? cholesky_inverse(factor) : linalg.pinv(positive, hermitian: true);
    }

    private static Tensor Symmetric(Tensor matrix) => ((matrix + matrix.t()) * 0.5).contiguous();
}
