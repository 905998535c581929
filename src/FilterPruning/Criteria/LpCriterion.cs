using System.Globalization;
using FilterPruning.Kernels;

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
        return NormCriterion.Score(filters, (weight, axis) => FilterNorms.Lp(weight, P, axis));
    }
}
