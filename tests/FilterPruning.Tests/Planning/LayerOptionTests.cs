using FilterPruning.Criteria;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Tests.Surgery;
using FilterPruning.Tests.Tracing;
using F = TorchSharp.torch.nn.functional;

namespace FilterPruning.Tests.Planning;

/// <summary>Ratios of single layers, the largest ratio, and isomorphic scope.</summary>
public class LayerOptionTests
{
    [Fact]
    public void A_layer_with_a_ratio_of_its_own_loses_that_under_every_scope()
    {
        using var scope = NewDisposeScope();
        var graph = new ChainNet(10, 20).Graph(TiedNet.Example());
        foreach (var among in RankingScopes.All)
        {
            var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.5, Scope = among, LayerRatios = [new("first", 0.3)] });
            Assert.Equal((7, 10), (plan.Find("first")!.KeptOutputs, plan.Find("second")!.KeptOutputs));
            plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Scope = among, LayerRatios = [new("second", 0.25)] });
            Assert.Equal((10, 15), (plan.Find("first")!.KeptOutputs, plan.Find("second")!.KeptOutputs));
            Assert.NotNull(plan.Find("first")!.Skipped);
            plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Target = PruningTarget.KeepMacsShare(0.4), Scope = among, LayerRatios = [new("first", 0)] });
            Assert.Equal(10, plan.Find("first")!.KeptOutputs);
            Assert.InRange((double)plan.Predicted.Macs / plan.Before.Macs, 0.35, 0.4);
        }
    }

    [Fact]
    public void The_last_entry_that_matches_wins_also_for_layers_that_are_tied()
    {
        using var scope = NewDisposeScope();
        var graph = new TiedNet().Graph(TiedNet.Example());
        int Stem(params LayerRatio[] ratios) => PruningPlanner.CreatePlan(graph, new PruningOptions { LayerRatios = ratios }).Find("stem")!.KeptOutputs;
        Assert.Equal(6, Stem(new("*", 0.75), new("stem", 0.5)));
        Assert.Equal(3, Stem(new("stem", 0.5), new("*", 0.75)));
        Assert.Equal(9, Stem(new("stem", 0.5), new("inner", 0.25)));  // tied by the residual sum
        Assert.Equal(6, Stem(new("inner", 0.25), new("stem", 0.5)));
        Assert.Equal(12, Stem(new LayerRatio("left", 0.5)));          // it reads the stem; its own outputs are what counts
    }

    [Fact]
    public void No_layer_loses_more_than_the_largest_ratio()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var net = new ChainNet(10, 20);
        net.first.weight.mul_(1e-6);
        var graph = net.Graph(TiedNet.Example());
        foreach (var among in RankingScopes.All)
        {
            var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.3, Scope = among, MaximumLayerRatio = 0.35 });
            Assert.All(plan.Layers, layer => Assert.True(layer.RemovedOutputs.Count <= 0.35 * layer.OutputChannels));
            if (among == PruningScope.Global)
                Assert.Equal((7, 14), (plan.Find("first")!.KeptOutputs, plan.Find("second")!.KeptOutputs));  // 9 of 30 go: 3, then 6
        }

        var error = Assert.Throws<PruningOptionsException>(
            () => PruningPlanner.CreatePlan(graph, new PruningOptions { MaximumLayerRatio = 0.3, LayerRatios = [new("first", 0.5), new("", 0.1), new("last", 1), null!], Target = PruningTarget.KeepMacsShare(0.5), Ratio = 0.1 }));
        Assert.Equal(5, error.Errors.Count);
        Assert.Throws<PruningOptionsException>(() => PruningPlanner.CreatePlan(graph, new PruningOptions { MaximumLayerRatio = 0 }));
        Assert.Throws<PruningOptionsException>(() => PruningPlanner.CreatePlan(graph, new PruningOptions { LayerRatios = null! }));
        Assert.Throws<PruningOptionsException>(() => PruningPlanner.CreatePlan(graph, new PruningOptions { LayerRatios = [new("frist", 0.5)] }));
    }

    [Fact]
    public void Only_roles_that_are_built_alike_compete()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        // Three 3x3 layers in a row, then 1x1 layers: "a" and "b" feed 3x3 layers, "c" a 1x1 layer, "d" and "e" are 1x1 throughout.
        var net = new Net(
            (n, x) => n.Call("last", new[] { "a", "b", "c", "d", "e" }.Aggregate(x, (value, name) => F.relu(n.Call(name, value)))),
            ("a", Nets.Conv(3, 8)), ("b", Nets.Conv(8, 12)), ("c", Nets.Conv(12, 10)), ("d", Nets.Conv(10, 8, 1)), ("e", Nets.Conv(8, 16, 1)), ("last", Nets.Conv(16, 4, 1)));
        foreach (var (name, size) in new[] { ("a", 1.0), ("b", 1e-3), ("c", 1e-6), ("d", 10.0), ("e", 1e-2) })
            net[name].get_parameter("weight")!.fill_(size);
        var graph = DependencyGraph.Trace(net, rand(1, 3, 6, 6));
        var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.5, Scope = PruningScope.Isomorphic, MinimumWidth = 2 });
        int Kept(string name) => plan.Find(name)!.KeptOutputs;
        Assert.Equal((8, 2), (Kept("a"), Kept("b")));    // 10 of 20 go, all from the weaker one
        Assert.Equal(5, Kept("c"));                      // alone in its class
        Assert.Equal((8, 4), (Kept("d"), Kept("e")));    // 12 of 24
        Assert.Equal(PruningScope.Isomorphic, PruningPlan.FromJson(plan.ToJson()).Settings.Scope);
    }

    [Fact]
    public void Settings_are_written_into_the_plan_and_older_plans_are_read()
    {
        using var scope = NewDisposeScope();
        var graph = new ChainNet().Graph(TiedNet.Example());
        var plan = PruningPlanner.CreatePlan(graph, new PruningOptions
        {
            Target = PruningTarget.KeepBytesShare(0.75),
            LayerRatios = [new("first", 0.125)],
            MaximumLayerRatio = 0.5,
            KeepFrozen = true,
            Ignore = ["last:outputs"],
            Criterion = new RandomCriterion(2),
        });
        var back = PruningPlan.FromJson(plan.ToJson());
        Assert.Equal(plan.ToJson(), back.ToJson());
        Assert.Equal(PruningTarget.KeepBytesShare(0.75), back.Settings.Target);
        Assert.Equal([new LayerRatio("first", 0.125)], back.Settings.LayerRatios!);
        Assert.Equal(((double?)0.5, true), (back.Settings.MaximumLayerRatio, back.Settings.KeepFrozen));
        Assert.Contains("bytes:0.75", back.ToText(), StringComparison.Ordinal);

        // Plans that use none of this look as they did before it existed.
        var plain = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.25 }).ToJson();
        foreach (var word in new[] { "target", "layerRatios", "maximumLayerRatio", "keepFrozen" })
            Assert.DoesNotContain(word, plain, StringComparison.Ordinal);
        Assert.Null(PruningPlan.FromJson(plain).Settings.LayerRatios);
        foreach (var (from, to) in new[] { ("bytes:0.75", "bytes:2%x"), ("\"bytes:0.75\"", "3"), ("0.125", "1.5"), ("\"maximumLayerRatio\": 0.5", "\"maximumLayerRatio\": 0") })
            Assert.Throws<PruningException>(() => PruningPlan.FromJson(plan.ToJson().Replace(from, to, StringComparison.Ordinal)));
    }
}
