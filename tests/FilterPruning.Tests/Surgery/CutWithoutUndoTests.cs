using FilterPruning.Criteria;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Surgery;

namespace FilterPruning.Tests.Surgery;

public class CutWithoutUndoTests
{
    private static readonly PruningOptions _little = new() { Ratio = 0.1, Criterion = new RandomCriterion(5) };

    [Theory]
    [InlineData(0.1)] // more stays than the largest layer holds: old tensors are let go
    [InlineData(0.9)]
    public void It_leaves_the_same_model_and_no_way_back(double ratio)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var example = TiedNet.Example();
        var (one, other) = (new TiedNet(), new TiedNet());
        foreach (var (name, parameter) in other.named_parameters()) parameter.copy_(one.get_parameter(name)!);
        var options = _little with { Ratio = ratio };
        var graph = one.Graph(example);
        using var withUndo = Surgeon.Apply(graph, PruningPlanner.CreatePlan(graph, options));
        graph = other.Graph(example);
        using var without = Surgeon.Apply(graph, PruningPlanner.CreatePlan(graph, options), new SurgeryOptions { CanUndo = false });

        foreach (var (name, parameter) in other.named_parameters()) Assert.True(parameter.equal(one.get_parameter(name)!).all().item<bool>(), name);
        Assert.Contains(nameof(SurgeryOptions.CanUndo), Assert.Throws<InvalidOperationException>(without.Undo).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_failed_cut_puts_back_what_was_let_go()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var example = TiedNet.Example();
        var net = new TiedNet();
        var before = net.state_dict().ToDictionary(entry => entry.Key, entry => entry.Value.clone());
        var widths = net.Graph(example).Layers.Select(layer => (layer.InputChannels, layer.OutputChannels)).ToList();
        var graph = net.Graph(example);
        var plan = PruningPlanner.CreatePlan(graph, _little);
        var failing = new SurgeryOptions { CanUndo = false, Progress = new FailAt(PruningStage.Prove) };
        Assert.Throws<PruningException>(() => Surgeon.Apply(graph, plan, failing));
        foreach (var (name, value) in net.state_dict()) Assert.True(value.shape.SequenceEqual(before[name].shape) && value.equal(before[name]).all().item<bool>(), name);
        Assert.Equal(widths, net.Graph(example).Layers.Select(layer => (layer.InputChannels, layer.OutputChannels)));
    }

    private sealed class FailAt(PruningStage stage) : IProgress<PruningProgress>
    {
        public void Report(PruningProgress value)
        {
            if (value.Stage == stage) throw new InvalidOperationException("stop");
        }
    }
}
