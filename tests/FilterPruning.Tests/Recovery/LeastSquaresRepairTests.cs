using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Recovery;
using FilterPruning.Surgery;
using TorchSharp.Modules;

namespace FilterPruning.Tests.Recovery;

public class LeastSquaresRepairTests
{
    /// <summary>
    /// Half of the first layer's filters are 0.4 times the other half: linear combinations of kept channels, also behind a ReLU. L1 removes
    /// exactly them, and the repair is exact up to float32 rounding.
    /// </summary>
    [Theory]
    [InlineData("conv")]
    [InlineData("conv-norm")]
    [InlineData("transposed")]
    [InlineData("flatten")]
    [InlineData("shared")]
    [InlineData("grouped")]
    public void Channels_that_are_combinations_of_kept_ones_are_repaired_exactly(string kind)
    {
        using var scope = NewDisposeScope();
        var model = new TwinNet(kind);
        model.eval();
        var inputs = Enumerable.Range(0, 6).Select(seed => Noise(seed)).ToArray();
        var test = Noise(99);
        Tensor dense;
        using (no_grad())
            dense = model.call(test);

        var graph = DependencyGraph.Trace(model, test);
        var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.5, Ignore = ["second:outputs"] });
        // A grouped consumer ties position p of its two blocks, so its twins lie within a block.
        Assert.Equal(kind == "grouped" ? [4, 5, 6, 7, 12, 13, 14, 15] : Enumerable.Range(8, 8), plan.Find("first")!.RemovedOutputs);

        var report = LeastSquaresRepair.Apply(model, graph, plan, inputs);
        using var cut = Surgeon.Apply(graph, plan);

        using (no_grad())
        {
            var error = (model.call(test) - dense).abs().max().item<float>() / dense.abs().max().item<float>();
            Assert.InRange(error, 0, 1e-4);
        }

        Assert.All(report.Layers, layer => Assert.InRange(layer.ErrorAfter, 0, 1e-8));
        Assert.All(report.Layers, layer => Assert.True(layer.ErrorBefore > 1e-3));
    }

    [Fact]
    public void A_constant_channel_is_taken_up_by_the_intercept_of_the_norm_behind()
    {
        using var scope = NewDisposeScope();
        var model = new TwinNet("conv-norm");
        model.eval();
        using (no_grad())
        {
            // Channel 15 is the constant 3: no combination of other channels, but an intercept. Padding would make it non-constant, so none.
            model.First.weight!.select(0, 15).zero_();
            model.First.bias!.select(0, 15).fill_(3);
        }

        var test = Noise(99);
        Tensor dense;
        using (no_grad())
            dense = model.call(test);
        var graph = DependencyGraph.Trace(model, test);
        var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.5, Ignore = ["second:outputs"] });

        var report = LeastSquaresRepair.Apply(model, graph, plan, [.. Enumerable.Range(0, 6).Select(seed => Noise(seed))]);
        using var cut = Surgeon.Apply(graph, plan);

        Assert.True(report.Layers.Single(layer => layer.Layer == "second").HasIntercept);
        using (no_grad())
            Assert.InRange((model.call(test) - dense).abs().max().item<float>() / dense.abs().max().item<float>(), 0, 1e-4);
    }

    [Fact]
    public void Repair_in_data_order_beats_the_bare_cut_on_unseen_inputs()
    {
        var raw = ErrorOfRandomNet(repaired: false);
        var repaired = ErrorOfRandomNet(repaired: true);
        Assert.True(repaired < 0.6 * raw, $"raw {raw}, repaired {repaired}");
    }

    [Fact]
    public void A_cancelled_repair_leaves_the_model_as_it_was()
    {
        using var scope = NewDisposeScope();
        var model = RandomNet();
        var before = model.state_dict().ToDictionary(entry => entry.Key, entry => entry.Value.detach().clone());
        var graph = DependencyGraph.Trace(model, Noise(0));
        var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.5 });
        using var cancellation = new CancellationTokenSource();
        var options = new RepairOptions { Progress = new CancelAtOnce(cancellation) };

        Assert.Throws<OperationCanceledException>(() => LeastSquaresRepair.Apply(model, graph, plan, [Noise(1), Noise(2)], options, cancellation.Token));

        foreach (var (name, value) in model.state_dict())
            Assert.True(value.equal(before[name]).all().item<bool>(), name);
    }

    [Fact]
    public void Tensors_are_given_back()
    {
        var model = new TwinNet("conv");
        model.eval();
        using var example = Noise(0);
        var graph = DependencyGraph.Trace(model, example);
        var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.5 });
        LeastSquaresRepair.Apply(model, graph, plan, [example]);
        var before = LiveTensors.Settled();
        LeastSquaresRepair.Apply(model, graph, plan, [example]);
        Assert.Equal(before, Tensor.TotalCount);
    }

    [Fact]
    public void Forwards_whose_rows_differ_are_refused()
    {
        using var scope = NewDisposeScope();
        var model = new TwinNet("conv");
        model.eval();
        var graph = DependencyGraph.Trace(model, Noise(0));
        var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.5 });
        var calls = 0;

        var error = Assert.Throws<PruningException>(() =>
            LeastSquaresRepair.Apply(model, graph, plan, [8, 8], (net, size) => net.call(Noise(0, size - calls++)), new RepairOptions { Rows = 1_000_000 }));

        Assert.Contains("same rows", error.Message, StringComparison.Ordinal);
    }

    private static Tensor Noise(int seed) => Noise(seed, 8);

    private static Tensor Noise(int seed, int size)
    {
        using var generator = new Generator((ulong)seed);
        return randn([4, 3, size, size], generator: generator);
    }

    private static double ErrorOfRandomNet(bool repaired)
    {
        using var scope = NewDisposeScope();
        var net = RandomNet();
        var test = Noise(99);
        Tensor dense;
        using (no_grad())
            dense = net.call(test);
        var graph = DependencyGraph.Trace(net, test);
        var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.5 });
        if (repaired)
            LeastSquaresRepair.Apply(net, graph, plan, [.. Enumerable.Range(0, 8).Select(seed => Noise(seed))]);
        using var cut = Surgeon.Apply(graph, plan);
        using (no_grad())
            return (net.call(test) - dense).pow(2).mean().item<float>();
    }

    private static Sequential RandomNet()
    {
        using var generator = new Generator(7);
        var net = nn.Sequential(
            ("a", nn.Conv2d(3, 24, 3, padding: 1)), ("ra", nn.ReLU()),
            ("b", nn.Conv2d(24, 24, 3, padding: 1)), ("rb", nn.ReLU()),
            ("c", nn.Conv2d(24, 5, 1)));
        using (no_grad())
        {
            foreach (var parameter in net.parameters())
                parameter.copy_(randn(parameter.shape, generator: generator) * 0.2);
        }

        net.eval();
        return net;
    }

    private sealed class CancelAtOnce(CancellationTokenSource cancellation) : IProgress<RepairProgress>
    {
        public void Report(RepairProgress value) => cancellation.Cancel();
    }
}
