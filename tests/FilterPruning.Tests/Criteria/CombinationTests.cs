using FilterPruning.Criteria;
using FilterPruning.Planning;

namespace FilterPruning.Tests.Criteria;

public class CombinationTests
{
    [Fact]
    public void A_weighted_sum_adds_normalised_scores()
    {
        using var scope = NewDisposeScope();
        var bank = Bank.Rows([1], [2], [3]);
        var (a, b) = (new Fixed("a", 1, 2, 3), new Fixed("b", 10, 0, 50));
        // Means 2 and 20.
        Bank.Close([0.5 + (2 * 0.5), 1, 1.5 + (2 * 2.5)], Bank.Scores(new WeightedSumCriterion((a, 1), (b, 2)), bank));
        Bank.Close([(0.5 * 1 / 3) + 0.2, 1 / 3.0, 0.5 + 1], Bank.Scores(new WeightedSumCriterion(ScoreNormalization.Max, (a, 0.5), (b, 1)), bank));
        Assert.Equal("sum(0.5*a+1*b)", new WeightedSumCriterion((a, 0.5), (b, 1)).Name);
    }

    [Fact]
    public void A_rank_product_is_the_geometric_mean_of_ranks()
    {
        using var scope = NewDisposeScope();
        var bank = Bank.Rows([1], [2], [3], [4]);
        var (a, b) = (new Fixed("a", 0.1f, 7, 7, -3), new Fixed("b", 4, 3, 2, 1));
        // Ranks 2, 3.5, 3.5, 1 and 4, 3, 2, 1.
        Bank.Close([Math.Sqrt(8) / 4, Math.Sqrt(10.5) / 4, Math.Sqrt(7) / 4, 0.25], Bank.Scores(new RankProductCriterion(a, b), bank));
        Assert.Equal("ranks(a*b)", new RankProductCriterion(a, b).Name);
    }

    [Fact]
    public void Parts_are_prepared_once_and_nested_ones_too()
    {
        using var scope = NewDisposeScope();
        using var net = Small.Residual();
        var graph = Small.Graph(net, 2, 3, 5, 5);
        var runs = 0;
        var taylor = new TaylorCriterion(CalibrationBatches.From(2, i =>
        {
            runs++;
            return net.call(Small.Picture(i)).square().sum();
        }));
        var nested = new WeightedSumCriterion((new RankProductCriterion(taylor, new L2Criterion()), 1), (taylor, 1), (new L1Criterion(), 1));
        CriterionPreparation.Prepare(new RankProductCriterion(taylor, taylor), graph);
        Assert.Equal(2, runs);
        var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.5, Criterion = nested });
        Assert.Equal("sum(1*ranks(taylor*l2)+1*taylor+1*l1)", plan.Settings.Criterion);
        Assert.Equal(PruningPlan.FromJson(plan.ToJson()).Settings.Criterion, plan.Settings.Criterion);
    }

    [Fact]
    public void Combinations_of_nothing_are_refused()
    {
        Assert.Throws<ArgumentException>(() => new RankProductCriterion());
        Assert.Throws<ArgumentException>(() => new RankProductCriterion(new L1Criterion(), null!));
        Assert.Throws<ArgumentException>(() => new WeightedSumCriterion());
        foreach (var weight in new[] { 0, -1, double.NaN, double.PositiveInfinity })
            Assert.Throws<ArgumentException>(() => new WeightedSumCriterion((new L1Criterion(), weight)));
    }

    private sealed class Fixed(string name, params float[] scores) : IPruningCriterion
    {
        public string Name => name;

        public Tensor Score(FilterBank filters) => tensor(scores);
    }
}
