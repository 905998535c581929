using FilterPruning.Graph;
using FilterPruning.Tests.Tracing;

namespace FilterPruning.Tests.Graphs;

public class ExplainTests
{
    private static DependencyGraph Trace(nn.Module<Tensor, Tensor> net)
    {
        using var x = randn(2, 3, 16, 16);
        return DependencyGraph.Trace(net, x);
    }

    [Fact]
    public void A_free_layer_says_what_goes_with_its_channels()
    {
        using var net = Nets.Residual();
        Assert.Equal(
            "inner is a Conv2d layer with 8 input channels and 8 output channels, called once. It reads first and feeds norm. All of its output channels may be removed; " +
            "with each goes the same of first and norm, and what inner and last read of it.",
            Trace(net).Explain("inner"));
    }

    [Fact]
    public void An_output_layer_says_why_it_stays()
    {
        using var net = Nets.Residual();
        Assert.Equal(
            "last is a Conv2d layer with 8 input channels and 5 output channels, called once. It reads first and norm. All of its 5 output channels stay: " +
            "they reach what the model returns. For instance: output channel 0 of last reaches a value that the model returns.",
            Trace(net).Explain("last"));
    }

    [Fact]
    public void A_flatten_says_how_many_inputs_it_has()
    {
        using var net = Nets.Flatten();
        Assert.Equal(
            "conv is a Conv2d layer with 3 input channels and 6 output channels, called once. It feeds fc (294 inputs). All of its output channels may be removed; " +
            "with each goes what fc (49 channels) reads of it.",
            Trace(net).Explain("conv"));
    }

    [Fact]
    public void A_literal_view_says_what_happened_and_what_to_do()
    {
        using var net = Nets.LiteralView();
        var text = Trace(net).Explain("conv");
        Assert.Contains("the model's own code counts on their number", text, StringComparison.Ordinal);
        Assert.Contains("flatten(1)", text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_typo_is_met_with_a_suggestion()
    {
        using var net = Nets.Residual();
        var graph = Trace(net);
        var error = Assert.Throws<ArgumentException>(() => graph.Explain("iner"));
        Assert.Contains("Did you mean \"inner\"?", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Roles_count_and_describe_the_groups()
    {
        using var net = Nets.Flatten();
        var graph = Trace(net);
        Assert.Equal(
            [
                (3, "read by conv (stays: ModelInput)"),
                (6, "made by conv; read by fc (49 each)"),
                (9, "made by fc; read by last"),
                (5, "made by last (stays: ModelOutput)"),
            ],
            graph.Roles.Select(role => (role.Count, role.Description)));
        Assert.Equal(graph.Groups.Select(group => group.Index), graph.Roles.SelectMany(role => role.Groups).Order());
    }
}
