using FilterPruning.Graph;

namespace FilterPruning.Tests.Tracing;

public class TraceTests
{
    private static DependencyGraph Trace(Net net, int size = 16)
    {
        using var x = randn(2, 3, size, size);
        return DependencyGraph.Trace(net, x);
    }

    [Fact]
    public void A_chain_ties_filters_norms_and_the_next_inputs_and_pins_its_ends()
    {
        using var net = Nets.Chain();
        var graph = Trace(net);
        Assert.Equal(["8 x first.out norm.out last.in"], GroupText.Prunable(graph));
        Assert.Equal(["3 x first.in (ModelInput)", "5 x last.out (ModelOutput)"], GroupText.Pinned(graph));
    }

    [Fact]
    public void A_residual_add_ties_both_producers()
    {
        using var net = Nets.Residual();
        Assert.Equal(["8 x first.out inner.in inner.out norm.out last.in"], GroupText.Prunable(Trace(net)));
    }

    [Fact]
    public void A_concatenation_keeps_its_parts_apart()
    {
        using var net = Nets.Concat();
        Assert.Equal(["4 x left.out last.in*2", "6 x right.out last.in"], GroupText.Prunable(Trace(net)));
    }

    [Fact]
    public void Flatten_gives_a_channel_its_49_features()
    {
        using var net = Nets.Flatten();
        Assert.Equal(["6 x conv.out fc.in*49", "9 x fc.out last.in"], GroupText.Prunable(Trace(net)));
    }

    [Fact]
    public void A_squeeze_excite_gate_is_tied_to_what_it_gates()
    {
        using var net = Nets.SqueezeExcite();
        Assert.Equal(["4 x squeeze.out expand.in", "8 x first.out squeeze.in expand.out last.in"], GroupText.Prunable(Trace(net)));
    }

    [Fact]
    public void A_head_shared_by_two_levels_ties_both_producers()
    {
        using var net = Nets.SharedHead();
        Assert.Equal(
            ["10 x down.out lateral2.in", "6 x lateral1.out lateral2.out head.in", "7 x head.out predict.in", "8 x body.out lateral1.in down.in"],
            GroupText.Prunable(Trace(net)));
    }

    [Fact]
    public void A_depthwise_convolution_is_one_unit_a_channel()
    {
        using var net = Nets.Depthwise();
        Assert.Equal(["8 x first.out depthwise.out last.in"], GroupText.Prunable(Trace(net)));
    }

    [Fact]
    public void A_grouped_convolution_ties_equal_places_of_its_blocks()
    {
        using var net = Nets.Grouped();
        Assert.Equal(["2 x grouped.out*4 last.in*4", "3 x first.out*4 grouped.in*4"], GroupText.Prunable(Trace(net)));
    }
}
