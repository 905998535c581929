using FilterPruning.Kernels;

namespace FilterPruning.Criteria;

/// <summary>The sum of a filter's absolute weights (Li et al., Pruning Filters for Efficient ConvNets, ICLR 2017). Needs no data.</summary>
/// <remarks>Unlike <see cref="L2Criterion"/>, it does not favour filters with a few large weights. Thread-safe.</remarks>
public sealed class L1Criterion : IPruningCriterion
{
    /// <inheritdoc/>
    public string Name => "l1";

    /// <inheritdoc/>
    public Tensor Score(FilterBank filters) => NormCriterion.Score(filters, FilterNorms.L1);
}
