using FilterPruning.Criteria;
using FilterPruning.Planning;
using FilterPruning.Tests.Surgery;

namespace FilterPruning.Tests.Planning;

public class PlannerTests
{
    [Fact]
    public void Local_scope_keeps_the_whole_part_of_the_share_of_every_role()
    {
        using var scope = NewDisposeScope();
        foreach (var width in new[] { 1, 2, 3, 10, 45, 64 })
        {
            var graph = new ChainNet(width, 20).Graph(TiedNet.Example());
            for (var tenth = 0; tenth < 10; tenth++)
            {
                var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = tenth / 10.0 });
                var expected = Math.Max(1, width * (10 - tenth) / 10);  // in whole numbers
                Assert.Equal(expected, plan.Find("first")!.KeptOutputs);
                Assert.Equal(expected, plan.Find("second")!.KeptInputs);
                Assert.Equal(Math.Max(1, 20 * (10 - tenth) / 10), plan.Find("second")!.KeptOutputs);
                Assert.Empty(plan.Find("last")!.RemovedOutputs);
                Assert.Empty(plan.Find("first")!.RemovedInputs);
            }
        }
    }

    [Fact]
    public void A_ratio_of_k_in_n_removes_k_of_n()
    {
        using var scope = NewDisposeScope();
        foreach (var width in new[] { 3, 7, 49, 96 })
        {
            var graph = new ChainNet(width).Graph(TiedNet.Example());
            for (var k = 0; k < width; k += 1 + (width / 20))
            {
                foreach (var among in RankingScopes.All)
                {
                    var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { LayerRatios = [new("first", (double)k / width)], Scope = among });
                    Assert.Equal(k, plan.Find("first")!.RemovedOutputs.Count);
                }
            }
        }
    }

    [Fact]
    public void The_weakest_filters_go()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var net = new ChainNet(6);
        float[] sizes = [3, 1, 5, 1, 4, 2];
        for (var i = 0; i < 6; i++)
            net.first.weight[i] = full([3, 3, 3], sizes[i], dtype: float32);
        var plan = PruningPlanner.CreatePlan(net.Graph(TiedNet.Example()), new PruningOptions { Ratio = 0.5, Ignore = ["second:outputs"] });
        Assert.Equal([1, 3, 5], plan.Find("first")!.RemovedOutputs);
        Assert.Equal([1, 3, 5], plan.Find("second")!.RemovedInputs);
        Assert.Empty(plan.Find("second")!.RemovedOutputs);
        Assert.Equal(new ScoreRange(27, 135, 54), plan.Find("first")!.Scores);
        Assert.Contains("'second:outputs'", plan.Find("second")!.Skipped, StringComparison.Ordinal);
    }

    [Fact]
    public void Equal_scores_go_in_the_order_of_their_indices()
    {
        using var scope = NewDisposeScope();
        var plan = PruningPlanner.CreatePlan(new ChainNet(8).Graph(TiedNet.Example()), new PruningOptions { Ratio = 0.5, Criterion = new Constant() });
        Assert.Equal([0, 1, 2, 3], plan.Find("first")!.RemovedOutputs);
        plan = PruningPlanner.CreatePlan(new ChainNet(8).Graph(TiedNet.Example()), new PruningOptions { Ratio = 0.25, Criterion = new Constant(), Scope = PruningScope.Global });
        Assert.Equal([0, 1, 2, 3, 4, 5, 6], plan.Find("first")!.RemovedOutputs);
    }

    [Fact]
    public void Ties_of_every_kind_shrink_together()
    {
        using var scope = NewDisposeScope();
        var plan = PruningPlanner.CreatePlan(new TiedNet().Graph(TiedNet.Example()), new PruningOptions { Ratio = 0.5 });
        LayerPlan Of(string name) => plan.Find(name)!;
        Assert.Equal(Of("stem").RemovedOutputs, Of("norm").RemovedOutputs);
        Assert.Equal(Of("stem").RemovedOutputs, Of("inner").RemovedOutputs);
        Assert.Equal(Of("stem").RemovedOutputs, Of("inner").RemovedInputs);
        Assert.Equal(Of("left").RemovedOutputs.Concat(Of("right").RemovedOutputs.Select(i => i + 8)), Of("mix").RemovedInputs);
        Assert.Equal(8, Of("grouped").RemovedOutputs.Count);
        Assert.Equal(Of("mix").RemovedOutputs, Of("grouped").RemovedInputs);
        Assert.Equal(4 * Of("head").RemovedOutputs.Count, Of("fc").RemovedInputs.Count);
        Assert.Equal(6 + 4 + 3 + 2 + 2 + 5 + 10, plan.RemovedGroups);  // stem, left, right, mix and grouped in fours, head, fc
    }

    [Fact]
    public void Global_scope_removes_the_asked_share_and_costs_fall_strictly()
    {
        using var scope = NewDisposeScope();
        var graph = new TiedNet().Graph(TiedNet.Example());
        var prunable = graph.Groups.Count(group => group.Pin is null);
        PruningPlan? previous = null;
        for (var tenth = 0; tenth < 10; tenth++)
        {
            var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = tenth / 10.0, Scope = PruningScope.Global });
            Assert.True(plan.RemovedGroups == ((prunable * tenth) + 5) / 10 || tenth > 7);
            Assert.All(plan.Layers, layer => Assert.True(layer.KeptOutputs >= 1 && layer.KeptInputs >= 1));
            if (previous is not null)
            {
                Assert.True(plan.Predicted.Parameters < previous.Predicted.Parameters);
                Assert.True(plan.Predicted.Macs < previous.Predicted.Macs);
                Assert.All(previous.Layers, layer => Assert.Subset(plan.Find(layer.Name)!.RemovedOutputs.ToHashSet(), layer.RemovedOutputs.ToHashSet()));
            }

            previous = plan;
        }
    }

    [Fact]
    public void Global_scope_never_empties_a_layer()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var net = new ChainNet(10, 20);
        net.first.weight.mul_(1e-6);
        var graph = net.Graph(TiedNet.Example());
        var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.5, Scope = PruningScope.Global });
        Assert.Equal(1, plan.Find("first")!.KeptOutputs);
        Assert.Equal(14, plan.Find("second")!.KeptOutputs);
        plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.5, Scope = PruningScope.Global, MinimumWidth = 4 });
        Assert.Equal((4, 11), (plan.Find("first")!.KeptOutputs, plan.Find("second")!.KeptOutputs));

        // With scores relative to their layer, small weights are no reason to go.
        foreach (var normalization in new[] { ScoreNormalization.Mean, ScoreNormalization.Max, ScoreNormalization.Standardized })
        {
            plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.5, Scope = PruningScope.Global, Normalization = normalization });
            Assert.InRange(plan.Find("first")!.KeptOutputs, 2, 9);
        }
    }

    [Theory]
    [InlineData(8, 45, 0.1, 40)]   // 40
    [InlineData(8, 64, 0.4, 40)]   // 38, nearest 40
    [InlineData(8, 64, 0.99, 8)]
    [InlineData(16, 10, 0.5, 10)]  // a multiple would be wider than the layer
    [InlineData(8, 45, 0.0, 45)]
    [InlineData(4, 10, 0.5, 4)]    // 5
    public void Widths_are_rounded_to_multiples(int multiple, int width, double ratio, int expected)
    {
        using var scope = NewDisposeScope();
        var graph = new ChainNet(width, 32).Graph(TiedNet.Example());
        var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = ratio, ChannelMultiple = multiple });
        Assert.Equal(expected, plan.Find("first")!.KeptOutputs);
        plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = ratio, ChannelMultiple = multiple, Scope = PruningScope.Global });
        Assert.All(["first", "second"], name => Assert.True(plan.Find(name)!.KeptOutputs % multiple == 0 || plan.Find(name)!.RemovedOutputs.Count == 0));
    }

    [Fact]
    public void Multiples_count_channels_where_a_group_holds_several()
    {
        using var scope = NewDisposeScope();
        var plan = PruningPlanner.CreatePlan(new TiedNet().Graph(TiedNet.Example()), new PruningOptions { Ratio = 0.4, ChannelMultiple = 8 });
        Assert.Equal(8, plan.Find("grouped")!.KeptOutputs);  // four groups of four: 2.4 would be 9.6 channels
        Assert.Equal(8, plan.Find("mix")!.KeptOutputs);
    }

    [Fact]
    public void A_minimum_width_holds_under_local_scope()
    {
        using var scope = NewDisposeScope();
        var plan = PruningPlanner.CreatePlan(new ChainNet(10, 20).Graph(TiedNet.Example()), new PruningOptions { Ratio = 0.9, MinimumWidth = 6 });
        Assert.Equal((6, 6), (plan.Find("first")!.KeptOutputs, plan.Find("second")!.KeptOutputs));
        plan = PruningPlanner.CreatePlan(new ChainNet(4, 20).Graph(TiedNet.Example()), new PruningOptions { Ratio = 0.9, MinimumWidth = 6 });
        Assert.Equal(4, plan.Find("first")!.KeptOutputs);
    }

    [Fact]
    public void Patterns_keep_layers_and_whatever_is_tied_to_them()
    {
        using var scope = NewDisposeScope();
        var graph = new TiedNet().Graph(TiedNet.Example());
        foreach (var pattern in new[] { "inner", "in*r", "i??er", "**ner" })
        {
            var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.5, Ignore = [pattern] });
            Assert.Empty(plan.Find("stem")!.RemovedOutputs);
            Assert.Contains("'inner'", plan.Find("stem")!.Skipped, StringComparison.Ordinal);
            Assert.Equal(5, plan.Find("head")!.RemovedOutputs.Count);
        }

        Assert.Equal(0, PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.5, Ignore = ["*"] }).RemovedGroups);
    }

    [Fact]
    public void All_bad_options_are_listed_at_once()
    {
        using var scope = NewDisposeScope();
        var graph = new ChainNet().Graph(TiedNet.Example());
        var error = Assert.Throws<PruningOptionsException>(() => PruningPlanner.CreatePlan(graph, new PruningOptions
        {
            Ratio = 1,
            Scope = (PruningScope)7,
            Criterion = null!,
            ChannelMultiple = 0,
            MinimumWidth = -1,
            Ignore = [""],
            Normalization = (ScoreNormalization)9,
            Reduction = (GroupReduction)9,
        }));
        Assert.IsAssignableFrom<ArgumentException>(error);
        Assert.Equal(8, error.Errors.Count);
        Assert.All(error.Errors, text => Assert.Contains("allowed", text, StringComparison.Ordinal));
        foreach (var ratio in new[] { -0.1, 1.5, double.NaN, double.PositiveInfinity })
            Assert.ThrowsAny<ArgumentException>(() => PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = ratio }));
        error = Assert.Throws<PruningOptionsException>(() => PruningPlanner.CreatePlan(graph, new PruningOptions { Ignore = ["secnd", "nowhere.*"] }));
        Assert.Equal(2, error.Errors.Count);
        Assert.Contains("'second'", error.Errors[0], StringComparison.Ordinal);
    }

    [Fact]
    public void Criteria_that_break_their_contract_are_named_with_the_layer()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var net = new ChainNet();
        var graph = net.Graph(TiedNet.Example());
        net.second.weight[3, 0, 0, 0] = float.NaN;
        var error = Assert.Throws<PruningException>(() => PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.5 }));
        Assert.Contains("filter 3 of layer 'second'", error.Message, StringComparison.Ordinal);
        error = Assert.Throws<PruningException>(() => PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.5, Criterion = new Constant(extra: 1) }));
        Assert.Contains("[10]", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Reductions_follow_their_definitions()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var net = new TiedNet();
        var graph = net.Graph(TiedNet.Example());
        var a = net.stem.weight.abs().sum([1, 2, 3]).data<float>().ToArray();
        var b = net.inner.weight.abs().sum([1, 2, 3]).data<float>().ToArray();
        foreach (var (reduction, score) in new (GroupReduction, Func<float, float, double>)[]
        {
            (GroupReduction.Mean, (x, y) => ((double)x + y) / 2), (GroupReduction.Sum, (x, y) => (double)x + y),
            (GroupReduction.Max, (x, y) => Math.Max(x, y)), (GroupReduction.First, (x, _) => x),
        })
        {
            var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.5, Reduction = reduction });
            var order = Enumerable.Range(0, 12).OrderBy(i => score(a[i], b[i])).Take(6).Order();
            Assert.Equal(order, plan.Find("stem")!.RemovedOutputs);
        }
    }

    [Fact]
    public void Planning_changes_nothing()
    {
        using var scope = NewDisposeScope();
        var net = new TiedNet();
        var graph = net.Graph(TiedNet.Example());
        var before = net.state_dict().ToDictionary(entry => entry.Key, entry => entry.Value.detach().clone());
        var random = get_rng_state();
        var count = LiveTensors.Settled();
        PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.5, Criterion = new RandomCriterion(1) });
        Assert.Equal(count, Tensor.TotalCount);
        Assert.True(random.equal(get_rng_state()).all().item<bool>());
        Assert.All(net.state_dict(), entry => Assert.True(entry.Value.equal(before[entry.Key]).all().item<bool>()));
    }

    private sealed class Constant(int extra = 0) : IPruningCriterion
    {
        public string Name => "constant";

        public Tensor Score(FilterBank filters) => ones(filters.Count + extra);
    }
}
