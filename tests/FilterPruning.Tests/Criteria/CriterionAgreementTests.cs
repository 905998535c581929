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

    private static DependencyGraph Graph() =>
        DependencyGraph.Trace(nn.Sequential(("hidden", nn.Linear(3, 8)), ("relu", nn.ReLU()), ("output", nn.Linear(8, 2))), ones(4, 3));

    private sealed class ByIndex(params float[] scores) : IPruningCriterion
    {
        public string Name => "by index";

        public Tensor Score(FilterBank filters) => tensor(scores.Take(filters.Count).ToArray());
    }
}
