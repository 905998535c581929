using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Recovery;
using FilterPruning.Surgery;
using TorchSharp.Modules;

namespace FilterPruning.Tests.Recovery;

public class CalibrationSampleTests
{
    [Fact]
    public void A_repair_costs_two_forwards_an_input_and_one_to_look()
    {
        using var scope = NewDisposeScope();
        var net = new ResidualNet();
        var (graph, plan) = Plan(net);
        var inputs = Enumerable.Range(0, 5).ToArray();
        var runs = new int[5];

        LeastSquaresRepair.Apply(net, graph, plan, inputs, (model, seed) =>
        {
            runs[seed]++;
            return model.call(ResidualNet.Noise(seed));
        });

        Assert.Equal([3, 2, 2, 2, 2], runs);
    }

    [Fact]
    public void Sums_and_rectifiers_are_seen()
    {
        using var scope = NewDisposeScope();
        var net = new ResidualNet();
        var (graph, _) = Plan(net);
        using var sample = CalibrationSample.Collect(net, graph, [ResidualNet.Noise(1)]);

        var inner = sample.JunctionOf(Layer(graph, "inner"))!;
        Assert.True(inner.Rectified);
        Assert.Null(inner.Shortcut);
        var outer = sample.JunctionOf(Layer(graph, "outer"))!;
        Assert.True(outer.Rectified);
        Assert.Equal(("inner", true), (outer.Shortcut!.Value.Layer.Name, outer.Shortcut.Value.AtInput));
        // norm(y) = gamma · (y − mean) / sqrt(var + eps) + beta
        var slope = (net.Norm.weight! / (net.Norm.running_var! + 1e-5).sqrt()).to(float64);
        Assert.InRange((outer.Slope - slope).abs().max().item<double>(), 0, 1e-4);
        Assert.False(sample.JunctionOf(Layer(graph, "last"))!.Rectified);
    }

    [Fact]
    public void One_sample_serves_several_plans_and_gives_what_a_repair_of_its_own_gives()
    {
        using var scope = NewDisposeScope();
        var net = new ResidualNet();
        var (graph, plan) = Plan(net);
        var other = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.25 });
        Tensor[] inputs = [ResidualNet.Noise(1), ResidualNet.Noise(2)];
        var dense = Weights(net);
        using var sample = CalibrationSample.Collect(net, graph, inputs);
        LeastSquaresRepair.Apply(net, sample, other);
        Restore(net, dense);
        LeastSquaresRepair.Apply(net, sample, plan);
        var shared = Weights(net);
        Restore(net, dense);

        LeastSquaresRepair.Apply(net, graph, plan, inputs);

        foreach (var (name, value) in Weights(net))
            Assert.True(value.equal(shared[name]).all().item<bool>(), name);
    }

    [Fact]
    public void An_error_in_the_users_forward_comes_out_as_it_is_and_leaves_the_model_as_it_was()
    {
        using var scope = NewDisposeScope();
        var net = new ResidualNet();
        var (graph, plan) = Plan(net);
        var dense = Weights(net);
        var runs = 0;

        var error = Assert.Throws<InvalidDataException>(() => LeastSquaresRepair.Apply(net, graph, plan, [1, 2, 3], (model, seed) =>
            ++runs == 6 ? throw new InvalidDataException("a broken picture") : model.call(ResidualNet.Noise(seed))));

        Assert.Equal("a broken picture", error.Message);
        foreach (var (name, value) in Weights(net))
            Assert.True(value.equal(dense[name]).all().item<bool>(), name);
    }

    [Fact]
    public void A_layer_that_no_input_reaches_keeps_its_weights()
    {
        using var scope = NewDisposeScope();
        var net = new ResidualNet();
        var (graph, plan) = Plan(net);
        var kept = Enumerable.Range(0, 16).Except(plan.Find("last")!.RemovedInputs).Select(channel => (long)channel).ToArray();
        var before = net.Last.weight!.detach().index_select(1, tensor(kept)).clone();

        var report = LeastSquaresRepair.Apply(net, graph, plan, [1, 2], (model, seed) => model.WithoutLast(ResidualNet.Noise(seed)));

        Assert.Equal(0, report.Layers.Single(layer => layer.Layer == "last").Rows);
        Assert.Contains("not reached by any input", report.ToText(), StringComparison.Ordinal);
        Assert.True(net.Last.weight.index_select(1, tensor(kept)).equal(before).all().item<bool>());
        Assert.True(report.Layers.Single(layer => layer.Layer == "outer").Rows > 0);
    }

    [Fact]
    public void A_sample_of_another_model_is_refused()
    {
        using var scope = NewDisposeScope();
        var (net, other) = (new ResidualNet(), new ResidualNet());
        var (graph, plan) = Plan(net);
        using var sample = CalibrationSample.Collect(net, graph, [ResidualNet.Noise(1)]);

        Assert.Throws<ArgumentException>(() => CalibrationSample.Collect(other, graph, [ResidualNet.Noise(1)]));
        Assert.Throws<ArgumentException>(() => LeastSquaresRepair.Apply(other, sample, plan));
        Assert.Throws<ArgumentException>(() => CalibrationSample.Collect(net, graph, Array.Empty<Tensor>()));
        Assert.Throws<ArgumentException>(() => CalibrationSample.Collect(net, graph, [ResidualNet.Noise(1)], new CalibrationOptions { Rows = 3 }));
    }

    private static (DependencyGraph Graph, PruningPlan Plan) Plan(ResidualNet net)
    {
        var graph = DependencyGraph.Trace(net, ResidualNet.Noise(0));
        return (graph, PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.5 }));
    }

    private static TracedLayer Layer(DependencyGraph graph, string name) => graph.Layers.Single(layer => layer.Name == name);

    private static Dictionary<string, Tensor> Weights(nn.Module net) => net.state_dict().ToDictionary(entry => entry.Key, entry => entry.Value.detach().clone());

    private static void Restore(nn.Module net, Dictionary<string, Tensor> weights)
    {
        using var noGrad = no_grad();
        foreach (var (name, value) in net.state_dict())
            value.copy_(weights[name]);
    }
}
