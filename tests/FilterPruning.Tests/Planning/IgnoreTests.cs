using FilterPruning.Planning;
using FilterPruning.Tests.Surgery;

namespace FilterPruning.Tests.Planning;

public class IgnoreTests
{
    private static PruningPlan Chain(params string[] ignore)
    {
        using var scope = NewDisposeScope();
        return PruningPlanner.CreatePlan(new ChainNet().Graph(TiedNet.Example()), new PruningOptions { Ratio = 0.5, Ignore = ignore });
    }

    private static (int First, int SecondInputs, int Second, int LastInputs) Widths(PruningPlan plan)
        => (plan.Find("first")!.KeptOutputs, plan.Find("second")!.KeptInputs, plan.Find("second")!.KeptOutputs, plan.Find("last")!.KeptInputs);

    [Fact]
    public void A_name_leaves_a_layer_alone_on_both_sides_and_a_suffix_on_one()
    {
        Assert.Equal((5, 5, 10, 10), Widths(Chain()));
        Assert.Equal((10, 10, 20, 20), Widths(Chain("second")));
        Assert.Equal((5, 5, 20, 20), Widths(Chain("second:outputs")));
        Assert.Equal((10, 10, 10, 10), Widths(Chain("second:inputs")));
        Assert.Equal((10, 10, 20, 20), Widths(Chain("s*:inputs", "se?ond:outputs")));
        Assert.Equal((5, 5, 20, 20), Widths(Chain("last")));
    }

    [Fact]
    public void The_reason_names_the_side_that_holds_a_tied_layer()
    {
        var plan = Chain("second:inputs");
        Assert.Equal("Tied to the inputs of 'second', which is ignored by the pattern 'second:inputs'.", plan.Find("first")!.Skipped);
        Assert.Null(plan.Find("second")!.Skipped);
        plan = Chain("second");
        Assert.Equal("Tied to the inputs of 'second', which is ignored by the pattern 'second'.", plan.Find("first")!.Skipped);
        Assert.Equal("Ignored by the pattern 'second'.", plan.Find("second")!.Skipped);
    }

    [Fact]
    public void Where_channels_pass_through_both_sides_are_one()
    {
        using var scope = NewDisposeScope();
        var graph = new TiedNet().Graph(TiedNet.Example());
        foreach (var pattern in new[] { "norm", "norm:inputs", "norm:outputs" })
        {
            var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.5, Ignore = [pattern] });
            Assert.Empty(plan.Find("stem")!.RemovedOutputs);
            Assert.Empty(plan.Find("left")!.RemovedInputs);
            Assert.Equal(4, plan.Find("left")!.RemovedOutputs.Count);
            Assert.Contains($"'{pattern}'", plan.Find("norm")!.Skipped, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Another_suffix_is_refused_with_the_allowed_ones()
    {
        var error = Assert.Throws<PruningOptionsException>(() => Chain("second:output"));
        Assert.Contains("':outputs' or ':inputs'", error.Message, StringComparison.Ordinal);
        Assert.Contains("'second'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_frozen_layer_keeps_its_channels_on_both_sides()
    {
        using var scope = NewDisposeScope();
        var net = new ChainNet();
        net.second.weight.requires_grad = false;
        var graph = net.Graph(TiedNet.Example());
        var options = new PruningOptions { Ratio = 0.5, KeepFrozen = true };
        Assert.Equal((5, 5, 10, 10), Widths(PruningPlanner.CreatePlan(graph, options)));  // its bias still learns
        net.second.bias.requires_grad = false;
        var plan = PruningPlanner.CreatePlan(graph, options);
        Assert.Equal((10, 10, 20, 20), Widths(plan));
        Assert.StartsWith("Frozen", plan.Find("second")!.Skipped, StringComparison.Ordinal);
        Assert.Contains("inputs of 'second', which is frozen", plan.Find("first")!.Skipped, StringComparison.Ordinal);
        Assert.Equal((5, 5, 10, 10), Widths(PruningPlanner.CreatePlan(graph, options with { KeepFrozen = false })));
    }
}
