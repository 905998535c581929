using FilterPruning.Criteria;
using FilterPruning.Graph;
using FilterPruning.Planning;

namespace FilterPruning.Tests.Criteria;

public class CriterionAgreementTests
{
    [Fact]
    public void A_criterion_agrees_with_itself_and_opposes_its_reverse()
    {
        using var scope = NewDisposeScope();
        var graph = Graph();
        Assert.Equal(1, CriterionAgreement.Spearman(graph, new L1Criterion(), new L1Criterion()), 1e-12);
        Assert.Equal(-1, CriterionAgreement.Spearman(graph, new ByIndex(0, 1, 2, 3, 4, 5, 6, 7), new ByIndex(7, 6, 5, 4, 3, 2, 1, 0)), 1e-12);
    }

    [Fact]
    public void The_coefficient_is_the_one_of_the_rank_differences()
    {
        using var scope = NewDisposeScope();
        // Two neighbours exchanged: Σd² = 2, so ρ = 1 − 6 · 2 / (8 · 63).
        var rho = CriterionAgreement.Spearman(Graph(), new ByIndex(0, 1, 2, 3, 4, 5, 6, 7), new ByIndex(0, 1, 3, 2, 4, 5, 6, 7), ScoreNormalization.None);
        Assert.Equal(1 - (12.0 / 504), rho, 1e-12);
    }

    [Fact]
    public void Kendall_counts_pairs()
    {
        using var scope = NewDisposeScope();
        var graph = Graph();
        Assert.Equal(1, CriterionAgreement.Kendall(graph, new L1Criterion(), new L1Criterion()), 1e-12);
        // One of 28 pairs stands the other way round.
        var tau = CriterionAgreement.Kendall(graph, new ByIndex(0, 1, 2, 3, 4, 5, 6, 7), new ByIndex(0, 1, 3, 2, 4, 5, 6, 7), ScoreNormalization.None);
        Assert.Equal(26 / 28.0, tau, 1e-12);
    }

    [Theory]
    [InlineData(RankCorrelation.Spearman)]
    [InlineData(RankCorrelation.Kendall)]
    public void A_matrix_holds_every_pair_and_asks_each_criterion_once(RankCorrelation correlation)
    {
        using var scope = NewDisposeScope();
        var graph = Graph();
        var counted = new ByIndex(3, 1, 2, 2, 5, 6, 7, 0);
        var criteria = new IPruningCriterion[] { new L1Criterion(), new L2Criterion(), counted, new RandomCriterion(1), new ByIndex(1, 1, 1, 1, 1, 1, 1, 1) };
        var matrix = CriterionAgreement.Matrix(graph, criteria, correlation);
        Assert.Equal(graph.Layers.Count, counted.Calls);
        Assert.Equal(["l1", "l2", "by index", "random", "by index"], matrix.Names);
        for (var i = 0; i < 4; i++)
        {
            Assert.Equal(1, matrix[i, i], 1e-12);
            Assert.True(double.IsNaN(matrix[i, 4]) && double.IsNaN(matrix[4, i]));
            for (var j = 0; j < 4; j++)
            {
                var pair = correlation == RankCorrelation.Kendall ? CriterionAgreement.Kendall(graph, criteria[i], criteria[j]) : CriterionAgreement.Spearman(graph, criteria[i], criteria[j]);
                Assert.Equal(pair, matrix[i, j], 1e-12);
            }
        }

        var lines = matrix.ToText().Split('\n');
        Assert.Equal(7, lines.Length);
        Assert.StartsWith("l1            1.00", lines[1], StringComparison.Ordinal);
        Assert.EndsWith("  -", lines[1].TrimEnd(), StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => CriterionAgreement.Matrix(graph, []));
    }

    private static DependencyGraph Graph() =>
        DependencyGraph.Trace(nn.Sequential(("hidden", nn.Linear(3, 8)), ("relu", nn.ReLU()), ("output", nn.Linear(8, 2))), ones(4, 3));

    private sealed class ByIndex(params float[] scores) : IPruningCriterion
    {
        public string Name => "by index";

        public int Calls { get; private set; }

        public Tensor Score(FilterBank filters)
        {
            Calls++;
            return tensor(scores.Take(filters.Count).ToArray());
        }
    }
}
