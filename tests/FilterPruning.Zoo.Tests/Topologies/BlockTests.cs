using FilterPruning.Graph;

namespace FilterPruning.Zoo;

/// <summary>Which channels of each building block may go, and with what: stated by thought, not by what tracing says.</summary>
public sealed class BlockTests
{
    /// <summary>All groups that may go; norms are left out, for they go with the layer before them.</summary>
    public static TheoryData<string, string[]> Free => new()
    {
        // Place i of all four parts; the last convolution's output is added to nothing.
        { "res2net-block", ["4 x conv1.out*4 convs.0.in convs.0.out convs.1.in convs.1.out convs.2.in conv3.in*3", "4 x convs.2.out conv3.in", "16 x conv3.out fc.in"] },
        { "split-attention-block", ["12 x conv.out*2 fc1.in fc2.out*2 fc.in", "6 x fc1.out fc2.in"] },
        { "selective-kernel-block", ["12 x narrow.out wide.out squeeze.in gates.0.out gates.1.out fc.in", "6 x squeeze.out gates.0.in gates.1.in"] },
        // A gate that depends on neighbours by position stays right only while all of them stay.
        { "channel-convolution-block", ["12 x conv2.out fc.in"] },
        { "ghost-block", ["8 x primary.0.out cheap.0.out conv2.in*2", "16 x conv2.out fc.in"] },
        { "three-branch-block", ["12 x stem.out dense.0.in dense.0.out pointwise.0.in pointwise.0.out fc.in"] },
        { "two-resolution-block", ["8 x fine.out up.out down.in last.in", "12 x coarse.out up.in down.out last.in", "10 x last.out fc.in"] },
        // Values could go their own way; that code never takes one width for both cannot be seen.
        { "non-local-block", ["12 x stem.out theta.in phi.in g.in output.out fc.in", "6 x theta.out phi.out g.out output.in"] },
        { "coordinates-block", ["12 x conv1.out conv2.in", "10 x conv2.out fc.in"] },
        // What a linear layer carries along on another axis than its own is not followed.
        { "mixer-block", ["14 x tokens1.out tokens2.in", "24 x channels1.out channels2.in"] },
        { "two-poolings-block", ["12 x conv1.out shared.0.in shared.2.out conv2.in", "4 x shared.0.out shared.2.in", "10 x conv2.out fc.in*2"] },
        // Halves of halves of sixteen: four parts of the stem, two of each unit, which are dealt out next to the stem's.
        { "shuffle-units", ["4 x stem.out*4 units.0.in*2 units.0.out*2 units.1.in*2 units.1.out*2 last.in*4", "10 x last.out fc.in"] },
        { "shuffle-units-odd", ["10 x last.out fc.in"] },
        { "layer-scale", ["640 x first.out inner.in inner.out fc.in"] },
    };

    [Theory]
    [MemberData(nameof(Free))]
    public void What_may_go_is_what_should(string name, string[] expected)
    {
        using var scope = NewDisposeScope();
        var zoo = ZooCatalogue.All[name];
        using var model = zoo.Create();
        model.eval();
        var graph = DependencyGraph.Trace(model, zoo.Forward);
        var norms = graph.Layers.Where(layer => layer.Kind.Contains("Norm", StringComparison.Ordinal)).Select(layer => layer.Name).ToHashSet();
        var free = GroupText.Free(graph).Select(line => string.Join(' ', line.Split(' ').Where(side => !norms.Contains(LayerOf(side))))).Order(StringComparer.Ordinal);
        Assert.Equal(GroupText.Sorted(expected), free);

        static string LayerOf(string side) => side.LastIndexOf('.') is var end and > 0 ? side[..end] : side;
    }
}
