using FilterPruning.Graph;
using FilterPruning.Planning;
using MathNet.Numerics.Statistics;

namespace FilterPruning.Criteria;

/// <summary>How alike criteria rank the channel groups of a model. Criteria that need preparation are prepared.</summary>
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
        DependencyGraph graph, IPruningCriterion first, IPruningCriterion second, ScoreNormalization normalization = ScoreNormalization.Mean) =>
        Matrix(graph, [first, second], RankCorrelation.Spearman, normalization)[0, 1];

    /// <summary>Kendall's rank correlation τ-b of the scores that two criteria give to the prunable groups, all layers together.</summary>
    /// <param name="graph">The traced model; only read.</param>
    /// <param name="first">One criterion.</param>
    /// <param name="second">The other.</param>
    /// <param name="normalization">How scores of different layers are made comparable; by default each is divided by its layer's mean.</param>
    /// <returns>−1 … 1: 1 for the same order, −1 for the reverse one; pairs with equal scores count neither way. NaN where all scores of a criterion are alike.</returns>
    /// <exception cref="PruningException">A criterion gave scores that cannot be used, or fewer than two groups can be pruned.</exception>
    public static double Kendall(
        DependencyGraph graph, IPruningCriterion first, IPruningCriterion second, ScoreNormalization normalization = ScoreNormalization.Mean) =>
        Matrix(graph, [first, second], RankCorrelation.Kendall, normalization)[0, 1];

    /// <summary>The rank correlation of every two of several criteria. Each is prepared and asked once.</summary>
    /// <param name="graph">The traced model; only read.</param>
    /// <param name="criteria">At least one.</param>
    /// <param name="correlation">How agreement is measured.</param>
    /// <param name="normalization">How scores of different layers are made comparable; by default each is divided by its layer's mean.</param>
    /// <param name="cancellationToken">Asks for an early end.</param>
    /// <exception cref="ArgumentException">No criterion was given.</exception>
    /// <exception cref="PruningException">A criterion gave scores that cannot be used, or fewer than two groups can be pruned.</exception>
    /// <exception cref="OperationCanceledException">The end was asked for.</exception>
    public static AgreementMatrix Matrix(
        DependencyGraph graph,
        IReadOnlyList<IPruningCriterion> criteria,
        RankCorrelation correlation = RankCorrelation.Spearman,
        ScoreNormalization normalization = ScoreNormalization.Mean,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(graph);
        ArgumentNullException.ThrowIfNull(criteria);
        CriterionParts.Check(criteria, nameof(criteria));
        double[][] scores = [.. criteria.Select(Scores)];
        if (scores[0].Length < 2)
            throw new PruningException($"The model has {scores[0].Length} prunable channel groups; a rank correlation needs at least two.");
        double[][] values = [.. criteria.Select(_ => new double[criteria.Count])];
        for (var i = 0; i < criteria.Count; i++)
        {
            for (var j = 0; j <= i; j++)
                values[i][j] = values[j][i] = correlation == RankCorrelation.Kendall ? KendallTau.B(scores[i], scores[j]) : Correlation.Spearman(scores[i], scores[j]);
        }

        return new AgreementMatrix(correlation, [.. criteria.Select(criterion => criterion.Name)], values);

        double[] Scores(IPruningCriterion criterion)
        {
            var all = FilterScorer.ScoreGroups(graph, new PruningOptions { Criterion = criterion, Normalization = normalization }, cancellationToken);
            return [.. graph.Groups.Where(group => group.Pin is null && all[group.Index] is not null).Select(group => all[group.Index]!.Value)];
        }
    }
}
