using System.Globalization;

namespace FilterPruning.Criteria;

/// <summary>The p-norm of a filter's weights: (Σ |w|ᵖ)^(1/p). Needs no data.</summary>
/// <remarks>
/// p = 1 and p = 2 rank as <see cref="L1Criterion"/> and <see cref="L2Criterion"/>, which are faster. The larger p, the more the largest weight decides; below 1, the
/// number of weights that are not small does (a quasi-norm). Thread-safe.
/// </remarks>
public sealed class LpCriterion : IPruningCriterion
{
    /// <summary>Creates the criterion.</summary>
    /// <param name="p">The exponent: above 0; positive infinity takes the largest magnitude.</param>
    /// <exception cref="ArgumentOutOfRangeException">The exponent is not above 0.</exception>
    public LpCriterion(double p)
    {
        if (!(p > 0))
            throw new ArgumentOutOfRangeException(nameof(p), p, "Allowed is p > 0; positive infinity takes the largest magnitude.");
        P = p;
    }

    /// <summary>The exponent.</summary>
    public double P { get; }

    /// <inheritdoc/>
    public string Name => string.Create(CultureInfo.InvariantCulture, $"lp:{P}");

    /// <inheritdoc/>
    public Tensor Score(FilterBank filters)
    {
        ArgumentNullException.ThrowIfNull(filters);
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var matrix = filters.AsMatrix();                                                    // [filters, numbers]
        var scores = empty(filters.Count, float32, CPU);
        foreach (var (start, count) in RowBlocks.Of(matrix))
        {
            using var block = NewDisposeScope();
            var magnitudes = matrix.narrow(0, start, count).to(float64).abs();
            var largest = magnitudes.amax([1], keepdim: true);                              // [filters, 1]
            var norms = double.IsPositiveInfinity(P) ? largest
                : largest * (magnitudes / largest.clamp_min(1e-300)).pow(P).sum(1, keepdim: true).pow(1 / P);  // powers of at most 1 cannot overflow
            scores.narrow(0, start, count).copy_(norms.squeeze(1));
        }

        return scores.MoveToOuterDisposeScope();
    }
}
