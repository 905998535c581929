using FilterPruning.Criteria;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Tests.Surgery;

namespace FilterPruning.Tests.Criteria;

public class GroupScoreTests
{
    [Fact]
    public void A_product_is_the_root_of_the_product_of_all_filters()
    {
        using var scope = NewDisposeScope();
        var net = new TiedNet();
        var graph = net.Graph(TiedNet.Example());
        var scores = FilterScorer.ScoreGroups(graph, new PruningOptions { Reduction = GroupReduction.Product });
        var a = net.stem.weight.abs().sum([1, 2, 3]).data<float>().ToArray();
        var b = net.inner.weight.abs().sum([1, 2, 3]).data<float>().ToArray();
        Bank.Close([.. a.Zip(b, (x, y) => Math.Sqrt((double)x * y))], [.. graph.Layers.Single(layer => layer.Name == "stem").OutputGroups.Select(group => scores[group]!.Value)], 1e-5);
    }

    [Fact]
    public void One_filter_that_scores_nothing_decides_a_product()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var net = new TiedNet();
        net.inner.weight[5].zero_();
        var plan = PruningPlanner.CreatePlan(net.Graph(TiedNet.Example()), new PruningOptions { Ratio = 0.05, Scope = PruningScope.Local, Reduction = GroupReduction.Product });
        Assert.Equal([5], plan.Find("inner")!.RemovedOutputs);
        Assert.Equal(0, plan.Find("inner")!.Scores!.Value.Minimum);
    }

    [Fact]
    public void Negative_scores_have_no_product_and_no_share()
    {
        using var scope = NewDisposeScope();
        var graph = new TiedNet().Graph(TiedNet.Example());
        var error = Assert.Throws<PruningException>(() => PruningPlanner.CreatePlan(
            graph, new PruningOptions { Ratio = 0.5, Reduction = GroupReduction.Product, Normalization = ScoreNormalization.Standardized }));
        Assert.Contains("Product needs scores of 0 or more", error.Message, StringComparison.Ordinal);
        error = Assert.Throws<PruningException>(() => PruningPlanner.CreatePlan(
            graph, new PruningOptions { Ratio = 0.5, Normalization = ScoreNormalization.Lamp, Criterion = new Negative() }));
        Assert.Contains("layer 'stem'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Shares_of_a_layer_make_scales_comparable()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        Assert.Equal([1 / 6.0, 0.4, 1], ScoreNormalizer.Apply([1, 2, 3], ScoreNormalization.Lamp, "layer"));
        var net = new ChainNet(10, 20);
        var options = new PruningOptions { Ratio = 0.5, Scope = PruningScope.Global, Normalization = ScoreNormalization.Lamp };
        var graph = net.Graph(TiedNet.Example());
        var before = PruningPlanner.CreatePlan(graph, options);
        net.first.weight.mul_(1e-3);
        var after = PruningPlanner.CreatePlan(graph, options);
        Assert.Equal(before.Find("first")!.RemovedOutputs, after.Find("first")!.RemovedOutputs);
        Assert.Equal(before.Find("second")!.RemovedOutputs, after.Find("second")!.RemovedOutputs);
    }

    [Fact]
    public void Every_new_setting_survives_the_plans_text()
    {
        using var scope = NewDisposeScope();
        var plan = PruningPlanner.CreatePlan(
            new ChainNet().Graph(TiedNet.Example()), new PruningOptions { Ratio = 0.5, Normalization = ScoreNormalization.Lamp, Reduction = GroupReduction.Product, Criterion = new LpCriterion(1.5) });
        var read = PruningPlan.FromJson(plan.ToJson());
        Assert.Equal((ScoreNormalization.Lamp, GroupReduction.Product, "lp:1.5"), (read.Settings.Normalization, read.Settings.Reduction, read.Settings.Criterion));
    }

    private sealed class Negative : IPruningCriterion
    {
        public string Name => "negative";

        public Tensor Score(FilterBank filters) => -ones(filters.Count);
    }
}
