using FilterPruning.Kernels;
using FilterPruning.Planning;

namespace FilterPruning.Criteria;

/// <summary>What the norms share.</summary>
internal static class NormCriterion
{
    /// <summary>The Euclidean norm of each filter, relative to the mean of its layer: 1 on average, or all 0.</summary>
    public static double[] RelativeL2(FilterBank filters)
    {
        using var norms = Score(filters, FilterNorms.L2);
        return ScoreNormalizer.Apply([.. norms.data<float>().Select(norm => (double)norm)], ScoreNormalization.Mean, filters.LayerName);
    }

    /// <summary>Applies a norm along the filters' axis of the weight as it lies; only filters that are spread over blocks are gathered into a matrix first.</summary>
    public static Tensor Score(FilterBank filters, Func<Tensor, int, Tensor> norm)
    {
        using var scope = NewDisposeScope();
        var asItLies = filters.Weight.size(filters.FilterAxis) == filters.Count;
        return (asItLies ? norm(filters.Weight, filters.FilterAxis) : norm(filters.AsMatrix(), 0)).MoveToOuterDisposeScope();
    }
}
