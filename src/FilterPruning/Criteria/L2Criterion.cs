using FilterPruning.Kernels;

namespace FilterPruning.Criteria;

/// <summary>The Euclidean norm of a filter's weights. Needs no data.</summary>
/// <remarks>Unlike <see cref="L1Criterion"/>, it lets a few large weights decide. Thread-safe.</remarks>
public sealed class L2Criterion : IPruningCriterion
{
    /// <inheritdoc/>
    public string Name => "l2";

    /// <inheritdoc/>
    public Tensor Score(FilterBank filters) => NormCriterion.Score(filters, FilterNorms.L2);
}
