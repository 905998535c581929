namespace FilterPruning.Criteria;

/// <summary>What the norms share.</summary>
internal static class NormCriterion
{
    /// <summary>Applies a norm along the filters' axis of the weight as it lies; only filters that are spread over blocks are gathered into a matrix first.</summary>
    public static Tensor Score(FilterBank filters, Func<Tensor, int, Tensor> norm)
    {
        using var scope = NewDisposeScope();
        var asItLies = filters.Weight.size(filters.FilterAxis) == filters.Count;
        return (asItLies ? norm(filters.Weight, filters.FilterAxis) : norm(filters.AsMatrix(), 0)).MoveToOuterDisposeScope();
    }
}
