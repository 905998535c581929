using FilterPruning.Graph;
using FilterPruning.Planning;
using MathNet.Numerics.Statistics;

namespace FilterPruning.Criteria;

/// <summary>How alike two criteria rank the channel groups of a model.</summary>
public static class CriterionAgreement
{
    /// <summary>Spearman's rank correlation of the scores that two criteria give to the prunable groups, all layers together.</summary>
    /// <param name="graph">The traced model; only read.</param>
    /// <param name="first">One criterion.</param>
    /// <param name="second">The other.</param>
    /// <param name="normalization">How scores of different layers are made comparable; by default each is divided by its layer's mean.</param>
    /// <returns>−1 … 1: 1 for the same order, −1 for the reverse one; equal scores share their ranks. NaN where all scores of a criterion are alike.</returns>
    /// <exception cref="PruningException">A criterion gave scores that cannot be used, or fewer than two groups can be pruned.</exception>
    public static double Spearman(
        DependencyGraph graph, IPruningCriterion first, IPruningCriterion second, ScoreNormalization normalization = ScoreNormalization.Mean)
    {
        ArgumentNullException.ThrowIfNull(graph);
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        var (one, other) = (Scores(first), Scores(second));
        if (one.Length < 2)
            throw new PruningException($"The model has {one.Length} prunable channel groups; a rank correlation needs at least two.");
        return Correlation.Spearman(one, other);

        double[] Scores(IPruningCriterion criterion)
        {
            var scores = FilterScorer.ScoreGroups(graph, new PruningOptions { Criterion = criterion, Normalization = normalization });
            return [.. graph.Groups.Where(group => group.Pin is null && scores[group.Index] is not null).Select(group => scores[group.Index]!.Value)];
        }
    }
}
