using MathNet.Numerics.Statistics;

namespace FilterPruning.Criteria;

/// <summary>A combination of other criteria by rank: the geometric mean of a filter's ranks in its layer, (Π rankₖ / n)^(1/k). Needs what its parts need.</summary>
/// <remarks>
/// Ranks run from 1 for the least to n, the layer's width; equal scores share the mean of their ranks. A filter that one part ranks last scores low whatever the others say, and
/// no part's scale counts, unlike in <see cref="WeightedSumCriterion"/>. Scores lie in 0 … 1 and are spread alike in every layer, so that
/// <see cref="Planning.PruningScope.Global"/> takes about the same share of each. As thread-safe as its parts.
/// </remarks>
public sealed class RankProductCriterion : IPreparedCriterion
{
    private readonly IReadOnlyList<IPruningCriterion> _parts;

    /// <summary>Creates the combination.</summary>
    /// <param name="parts">The criteria to combine.</param>
    /// <exception cref="ArgumentException">No part, or one that is null.</exception>
    public RankProductCriterion(params IReadOnlyList<IPruningCriterion> parts)
    {
        ArgumentNullException.ThrowIfNull(parts);
        CriterionParts.Check(parts, nameof(parts));
        _parts = [.. parts];
    }

    /// <summary>The names of the parts, for instance <c>ranks(l1*taylor)</c>.</summary>
    public string Name => $"ranks({string.Join('*', _parts.Select(part => part.Name))})";

    /// <inheritdoc/>
    public void Prepare(CriterionContext context) => CriterionParts.Prepare(_parts, context);

    /// <inheritdoc/>
    public Tensor Score(FilterBank filters)
    {
        var ranks = CriterionParts.Scores(_parts, filters).Select(scores => ArrayStatistics.RanksInplace(scores, RankDefinition.Average)).ToList();
        return CriterionParts.ToTensor(Enumerable.Range(0, filters.Count).Select(filter => Math.Exp(ranks.Average(part => Math.Log(part[filter] / filters.Count)))));
    }
}
