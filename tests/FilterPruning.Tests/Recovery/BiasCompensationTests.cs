using FilterPruning.Recovery;
using FilterPruning.Surgery;

namespace FilterPruning.Tests.Recovery;

public class BiasCompensationTests
{
    [Theory]
    [InlineData("conv")]
    [InlineData("conv-norm")]
    [InlineData("flatten")]
    [InlineData("shared")]
    [InlineData("grouped")]
    public void Constant_channels_are_compensated_exactly(string kind)
    {
        using var scope = NewDisposeScope();
        var net = RepairCase.Constants(kind);
        var test = RepairCase.Noise(98);
        var dense = net.Output(test);

        var report = BiasCompensation.Apply(net.Model, net.Graph, net.Plan, RepairCase.Inputs(2));
        Assert.InRange(net.RelativeError(test, dense), 0, 1e-5);
        using var cut = Surgeon.Apply(net.Graph, net.Plan);

        Assert.InRange(net.RelativeError(test, dense), 0, 1e-5);
        var layer = Assert.Single(report.Layers);
        Assert.Equal(("second", true), (layer.Layer, layer.IsCompensated));
        Assert.True(layer.ErrorBefore > 1e-3);
        Assert.InRange(layer.ErrorAfter, 0, 1e-9);
        Assert.Equal(2, report.Inputs);
    }

    [Fact]
    public void Behind_padding_the_mean_over_border_and_interior_comes_out_as_in_the_dense_model()
    {
        using var scope = NewDisposeScope();
        var net = RepairCase.Chain();
        var consumers = new[] { "b" };
        var dense = Means(net, consumers);

        BiasCompensation.Apply(net.Model, net.Graph, net.Plan, RepairCase.Inputs());

        // The first consumer reads what the dense model delivers, so that its mean must be right on these inputs.
        var now = Means(net, consumers);
        Assert.InRange((now["b"] - dense["b"]).abs().max().item<double>(), 0, 1e-5);
    }

    [Fact]
    public void A_layer_without_bias_and_norm_is_named_as_left_alone()
    {
        using var scope = NewDisposeScope();
        var model = nn.Sequential(("a", nn.Conv2d(3, 8, 1)), ("r", nn.ReLU()), ("b", nn.Conv2d(8, 4, 1, bias: false)));
        model.eval();
        var graph = FilterPruning.Graph.DependencyGraph.Trace(model, RepairCase.Noise(1));
        var plan = FilterPruning.Planning.PruningPlanner.CreatePlan(graph, new() { Ratio = 0.5 });

        var layer = Assert.Single(BiasCompensation.Apply(model, graph, plan, RepairCase.Inputs(1)).Layers);

        Assert.False(layer.IsCompensated);
        Assert.Equal(layer.ErrorBefore, layer.ErrorAfter);
    }

    [Fact]
    public void Moments_are_matched_in_every_layer_that_loses_inputs()
    {
        using var scope = NewDisposeScope();
        var net = RepairCase.Chain();
        var (means, variances) = (Means(net, ["b", "c"]), Variances(net, ["b", "c"]));

        var report = MomentMatching.Apply(net.Model, net.Graph, net.Plan, RepairCase.Inputs());
        using var cut = Surgeon.Apply(net.Graph, net.Plan);

        Assert.Equal(["b", "c"], report.Layers.Select(layer => layer.Layer));
        var (meansNow, variancesNow) = (Means(net, ["c"]), Variances(net, ["c"]));
        Assert.InRange((meansNow["c"] - means["c"]).abs().max().item<double>(), 0, 1e-4 * variances["c"].sqrt().max().item<double>());
        Assert.InRange((variancesNow["c"] / variances["c"] - 1).abs().max().item<double>(), 0, 1e-3);
        var kept = tensor(Enumerable.Range(0, 24).Except(net.Plan.Find("b")!.RemovedOutputs).Select(channel => (long)channel).ToArray());
        Assert.InRange((Means(net, ["b"])["b"] - means["b"][kept]).abs().max().item<double>(), 0, 1e-4 * variances["b"].sqrt().max().item<double>());
    }

    [Fact]
    public void Moments_are_matched_through_the_norm_behind_a_layer_without_bias()
    {
        using var scope = NewDisposeScope();
        var net = RepairCase.Twins("conv-norm");
        var probe = cat(RepairCase.Inputs(), 0);
        var dense = net.Output(probe);

        MomentMatching.Apply(net.Model, net.Graph, net.Plan, RepairCase.Inputs());

        var now = net.Output(probe);
        Assert.InRange((now.mean([0, 2, 3]) - dense.mean([0, 2, 3])).abs().max().item<float>(), 0, 1e-4);
        Assert.InRange((now.var([0, 2, 3]) / dense.var([0, 2, 3]) - 1).abs().max().item<float>(), 0, 1e-3);
    }

    [Fact]
    public void A_layer_that_is_called_twice_is_matched_over_both_calls()
    {
        using var scope = NewDisposeScope();
        var net = RepairCase.Twins("shared");
        var (means, variances) = (Means(net, ["second"]), Variances(net, ["second"]));

        MomentMatching.Apply(net.Model, net.Graph, net.Plan, RepairCase.Inputs());

        Assert.InRange((Means(net, ["second"])["second"] - means["second"]).abs().max().item<double>(), 0, 1e-4);
        Assert.InRange((Variances(net, ["second"])["second"] / variances["second"] - 1).abs().max().item<double>(), 0, 1e-3);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Cancelled_it_leaves_the_model_as_it_was(bool match)
    {
        using var scope = NewDisposeScope();
        var net = RepairCase.Chain();
        net.Model.train();
        var before = net.State();
        using var cancellation = new CancellationTokenSource();
        var options = new CompensationOptions { Progress = new CancelAtOnce<RepairProgress>(cancellation) };

        Assert.ThrowsAny<OperationCanceledException>(() => match
            ? MomentMatching.Apply(net.Model, net.Graph, net.Plan, RepairCase.Inputs(), options, cancellation.Token)
            : BiasCompensation.Apply(net.Model, net.Graph, net.Plan, RepairCase.Inputs(), options, cancellation.Token));

        net.AssertIs(before);
        Assert.True(net.Model.training);
    }

    [Fact]
    public void What_cannot_be_used_is_refused()
    {
        using var scope = NewDisposeScope();
        var (net, other) = (RepairCase.Chain(), RepairCase.Norms());

        Assert.Contains("no inputs", Assert.Throws<ArgumentException>(() => BiasCompensation.Apply(net.Model, net.Graph, net.Plan, [])).Message, StringComparison.Ordinal);
        Assert.Contains("another model", Assert.Throws<ArgumentException>(() => MomentMatching.Apply(other.Model, net.Graph, net.Plan, RepairCase.Inputs(1))).Message, StringComparison.Ordinal);
        Assert.Contains("does not fit the graph at 'a'", Assert.Throws<PruningException>(() => BiasCompensation.Apply(net.Model, net.Graph, other.Plan, RepairCase.Inputs(1))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Tensors_are_given_back()
    {
        var inputs = RepairCase.Inputs(2);
        var net = RepairCase.Norms();
        void Run()
        {
            BiasCompensation.Apply(net.Model, net.Graph, net.Plan, inputs);
            MomentMatching.Apply(net.Model, net.Graph, net.Plan, inputs);
        }

        Run();
        var before = LiveTensors.Settled();
        Run();
        Assert.Equal(before, LiveTensors.Settled());
    }

    private static Dictionary<string, Tensor> Means(RepairCase net, string[] layers) => Statistics(net, layers, values => values.mean([1]));

    private static Dictionary<string, Tensor> Variances(RepairCase net, string[] layers) => Statistics(net, layers, values => values.var(1));

    // Of everything that layers give on the inputs of the repair, by the plain formula.
    private static Dictionary<string, Tensor> Statistics(RepairCase net, string[] layers, Func<Tensor, Tensor> statistic)
    {
        var seen = layers.ToDictionary(layer => layer, _ => new List<Tensor>());
        var hooks = net.Model.named_modules().Where(entry => layers.Contains(entry.name)).Select(entry => ((nn.Module<Tensor, Tensor>)entry.module).register_forward_hook((_, _, y) =>
        {
            seen[entry.name].Add(y.clone().DetachFromDisposeScope());
            return y;
        })).ToList();
        foreach (var input in RepairCase.Inputs())
            net.Output(input);
        hooks.ForEach(hook => hook.remove());
        return seen.ToDictionary(entry => entry.Key, entry => statistic(cat([.. entry.Value.Select(y => y.transpose(0, 1).flatten(1))], 1).to(float64)));
    }
}
