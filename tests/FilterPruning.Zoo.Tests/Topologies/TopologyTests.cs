using FilterPruning.Graph;
using FilterPruning.Planning;
using static FilterPruning.Zoo.Net;
using static TorchSharp.torch.nn;
using F = TorchSharp.torch.nn.functional;

namespace FilterPruning.Zoo;

/// <summary>Which channels of each topology may go, and with what: stated by thought, not by what tracing says.</summary>
public sealed class TopologyTests
{
    /// <summary>All groups that may go; the last layer's five outputs and the model's inputs always stay.</summary>
    public static TheoryData<string, string[]> Free => new()
    {
        // Each channel is read at two places.
        { "concat-with-itself", ["8 x first.out last.in*2"] },
        // The thirds of twelve must stay equally long: i, i + 4 and i + 8. The head reads the first two, the tail the last two.
        { "overlapping-slices", ["4 x first.out*3 head.in*2 tail.in*2"] },
        // The map of one channel cannot lose it.
        { "broadcast-add", ["8 x first.out last.in"] },
        // The first eight channels of the sum come from both, the last four from the wide layer alone.
        { "padded-shortcut", ["4 x wide.out last.in", "8 x narrow.out wide.in wide.out last.in"] },
        { "joined-to-negatives", ["2 x narrow.out last.in*2", "8 x wide.out last.in*2"] },
        // The shuffle is behind what joins.
        { "grow-after-shuffle", ["4 x grow.out last.in", "6 x first.out*2 grow.in*2 last.in*2"] },
        // i meets 7 - i.
        { "flip-add", ["4 x first.out*2 last.in*2"] },
        { "flip", ["8 x first.out last.in"] },
        // A channel whose group changed would get another factor: one place in all four groups goes.
        { "factor-per-group", ["3 x first.out*4 last.in*4"] },
        // Four groups, whatever the width: none of their channels may go, for the mean of its group would change.
        { "mean-per-group", ["6 x stem.out first.in"] },
        // Groups of four: a whole group may go.
        { "mean-per-group-of-four", ["4 x first.out*4 last.in*4", "6 x stem.out first.in"] },
        { "pixel-shuffle", ["4 x first.out*4 last.in"] },
        { "pixel-unshuffle", ["6 x first.out last.in*4"] },
        { "flatten-channels-first", ["6 x conv.out fc.in*9", "9 x fc.out last.in"] },
        { "flatten-channels-last", ["6 x conv.out fc.in*9", "9 x fc.out last.in"] },
        // Channel i of one half is dealt out next to channel i of the other.
        { "channel-shuffle", ["4 x first.out*2 last.in*2"] },
        { "width-in-code", ["9 x fc.out last.in"] },
        { "slice-in-code", ["6 x first.out inner.in"] },
        { "squeeze-excite", ["4 x squeeze.out expand.in", "8 x first.out squeeze.in expand.out last.in"] },
        // Only what stands before the softmax is free of it.
        { "softmax-gate", ["4 x squeeze.out gate.in"] },
        { "spatial-gate", ["6 x stem.out first.in"] },
        { "argmax-on-the-side", ["8 x first.out scores.in"] },
        // Feature d of all four heads, of queries, keys and values at once: one reshape makes all twelve parts equally long.
        { "attention-one-projection", ["10 x project.out last.in", "12 x embed.out qkv.in", "6 x qkv.out*12 project.in*4"] },
        // Heads of six features: a whole head goes.
        { "attention-heads-by-width", ["10 x project.out last.in", "12 x embed.out q.in k.in v.in", "4 x q.out*6 k.out*6 v.out*6 project.in*6"] },
        // Neither path may change, and the other layer is never seen.
        { "width-decides", ["5 x stem.out first.in", "6 x full.out last.in"] },
        { "order-in-buffer", ["5 x stem.out first.in"] },
        // Each product belongs to two channels, and so all belong together.
        { "outer-product", ["7 x stem.out first.in"] },
        { "largest-channels", ["5 x stem.out first.in"] },
        { "half-gates", ["8 x first.out*2 last.in"] },
        { "maxout", ["8 x first.out*2 last.in"] },
        { "grouped-transpose", ["4 x grouped.out*2 last.in*2", "6 x first.out*2 grouped.in*2"] },
        { "called-twice", ["6 x shared.out last.in*2", "8 x left.out right.out shared.in"] },
        { "called-on-itself", ["8 x first.out again.in again.out last.in"] },
        { "single-channel", ["8 x wide.out last.in"] },
        { "frozen", ["8 x first.out norm.out last.in"] },
        { "unused", ["8 x first.out last.in"] },
        { "no-grad-region", ["6 x second.out third.in", "7 x third.out last.in", "8 x first.out second.in"] },
        { "in-dictionary", ["6 x layer_b.out layer_c.in", "8 x layer_a.out layer_b.in"] },
        { "in-containers", ["6 x blocks.1.out heads.left.in heads.right.in", "7 x heads.left.out heads.right.out last.in", "8 x blocks.0.out blocks.1.in"] },
        { "output-on-the-way", ["6 x stem.out first.in"] },
        { "bare-scale", ["6 x inner.out last.in", "8 x first.out inner.in"] },
        { "position-embedding", ["12 x embed.out up.in down.out last.in", "20 x up.out down.in"] },
        { "class-token", ["12 x embed.out up.in down.out last.in", "20 x up.out down.in"] },
        { "own-frozen-norm", ["6 x inner.out last.in", "8 x first.out inner.in"] },
    };

    [Theory]
    [MemberData(nameof(Free))]
    public void What_may_go_is_what_should(string name, string[] expected)
    {
        using var subject = Traced(name);
        Assert.Equal(GroupText.Sorted(expected), GroupText.Free(subject.Graph));
    }

    [Fact]
    public void Mirrored_channels_are_tied_to_their_mirror_images()
    {
        using var subject = Traced("flip");
        Assert.Equal([.. Enumerable.Range(0, 8).Select(channel => new[] { 7 - channel })], GroupText.Partners(subject.Graph, "first", ChannelAxis.Output, "last", ChannelAxis.Input));
    }

    [Fact]
    public void Flattened_channels_own_a_block_or_every_sixth_feature()
    {
        using var first = Traced("flatten-channels-first");
        Assert.Equal([.. Enumerable.Range(0, 6).Select(channel => Enumerable.Range(9 * channel, 9).ToArray())], GroupText.Partners(first.Graph, "conv", ChannelAxis.Output, "fc", ChannelAxis.Input));
        using var last = Traced("flatten-channels-last");
        Assert.Equal([.. Enumerable.Range(0, 6).Select(channel => Enumerable.Range(0, 9).Select(place => (6 * place) + channel).ToArray())], GroupText.Partners(last.Graph, "conv", ChannelAxis.Output, "fc", ChannelAxis.Input));
    }

    // With one channel gone, all after it would change sides.
    [Fact]
    public void Interleaved_channels_stay_or_go_in_pairs()
    {
        using var subject = Traced("interleaved-slices");
        AssertOneOf(subject, ["5 x stem.out first.in"], ["5 x stem.out first.in", "6 x first.out*2 even.in odd.in"]);
    }

    // Halves of an odd width are no halves: what was swapped twice would not be where it was.
    [Fact]
    public void Halves_that_change_places_twice_stay_or_shrink_alike()
    {
        using var subject = Traced("swap-twice");
        AssertOneOf(subject, ["5 x stem.out first.in"], ["5 x stem.out first.in", "6 x first.out*2 last.in*2"]);
    }

    [Fact]
    public void A_depthwise_layer_with_two_outputs_a_channel_loses_whole_blocks_or_the_same_place_of_each()
    {
        using var subject = Traced("depthwise-multiplier-2");
        AssertOneOf(subject, ["8 x first.out depthwise.in depthwise.out*2 last.in*2"], ["2 x depthwise.out*8 last.in*8"]);
    }

    // One place is special, whichever channel is there: that channel stays, the others may go (or stay).
    [Theory]
    [InlineData("roll", 7)]
    [InlineData("all-but-last", 7)]
    [InlineData("first-channel-gates", 0)]
    public void The_channel_at_a_special_place_stays(string name, int special)
    {
        using var subject = Traced(name);
        AssertOneOf(subject, ["5 x stem.out first.in"], ["5 x stem.out first.in", "7 x first.out last.in"]);
        Assert.NotNull(subject.Graph.Groups.Single(group => group.Members.Contains(new ChannelMember("first", ChannelAxis.Output, special))).Pin);
    }

    // A channel of zeros counts neither in a length nor in a maximum of what is not negative: such channels may stay as well as go.
    [Theory]
    [InlineData("maximum-over-channels")]
    [InlineData("unit-length")]
    public void Channels_that_meet_may_go_where_zeros_do_not_count(string name)
    {
        using var subject = Traced(name);
        AssertOneOf(subject, ["6 x stem.out first.in"], ["6 x stem.out first.in", "8 x first.out last.in"]);
    }

    // Queries and keys meet in a product over their features; values could go their own way.
    [Fact]
    public void Attention_with_a_fixed_number_of_heads_loses_a_feature_of_every_head()
    {
        using var subject = Traced("attention-three-projections");
        AssertOneOf(subject,
            ["10 x project.out last.in", "12 x embed.out q.in k.in v.in", "6 x q.out*4 k.out*4 v.out*4 project.in*4"],
            ["10 x project.out last.in", "12 x embed.out q.in k.in v.in", "6 x q.out*4 k.out*4", "6 x v.out*4 project.in*4"]);
        Assert.Equal([.. Enumerable.Range(0, 24).Select(channel => Enumerable.Range(0, 4).Select(head => (6 * head) + (channel % 6)).ToArray())], GroupText.Partners(subject.Graph, "q", ChannelAxis.Output, "k", ChannelAxis.Output));
    }

    // A tensor with two owners: both lose the same, or neither loses anything.
    [Fact]
    public void Layers_with_one_weight_stay_alike()
    {
        using var subject = Traced("tied-weights");
        AssertOneOf(subject, ["7 x c.out last.in"], ["7 x c.out last.in", "8 x first.out a.in a.out b.in b.out c.in"]);
    }

    [Fact]
    public void An_embedding_and_the_layer_with_its_weight_stay_alike()
    {
        using var subject = Traced("tied-embedding");
        AssertOneOf(subject, ["12 x up.out down.in"], ["12 x up.out down.in", "8 x embedding.out up.in down.out decoder.in"]);
    }

    [Fact]
    public void A_matrix_that_is_no_layer_stays_or_shrinks_on_both_sides()
    {
        using var subject = Traced("bare-matrix");
        AssertOneOf(subject, ["10 x stem.out first.in"], ["10 x stem.out first.in", "7 x last.in", "8 x first.out"]);
    }

    // Nothing that evaluation runs shows what the second head reads: what it reads stays, or goes with it.
    [Fact]
    public void What_only_training_reads_is_protected()
    {
        using var subject = Traced("training-branch");
        AssertOneOf(subject, ["6 x inner.out last.in"], ["6 x inner.out last.in", "8 x first.out inner.in auxiliary.in"]);
    }

    [Theory]
    [InlineData("bare-scale", "gamma", 0, 4)]
    [InlineData("position-embedding", "position", 2, 6)]
    [InlineData("class-token", "token", 2, 6)]
    [InlineData("own-frozen-norm", "norm.scale", 0, 4)]
    [InlineData("own-frozen-norm", "norm.shift", 0, 4)]
    [InlineData("frozen", "first.weight", 0, 4)]
    public void A_tensor_shrinks_with_its_channels(string name, string tensor, int axis, int width)
    {
        using var subject = Traced(name);
        using var cut = Surgery.Surgeon.Apply(subject.Graph, PruningPlanner.CreatePlan(subject.Graph, new PruningOptions { Ratio = 0.5 }));
        Assert.Equal(width, subject.Model.state_dict()[tensor].shape[axis]);
    }

    [Fact]
    public void What_is_not_called_is_no_part_of_the_graph_and_stays_whole()
    {
        using var subject = Traced("unused");
        Assert.DoesNotContain(subject.Graph.Layers, layer => layer.Name == "spare" && layer.IsPrunable);
        using var cut = Surgery.Surgeon.Apply(subject.Graph, PruningPlanner.CreatePlan(subject.Graph, new PruningOptions { Ratio = 0.5 }));
        Assert.Equal([8, 8, 3, 3], subject.Model.state_dict()["spare.weight"].shape);
    }

    [Fact]
    public void A_layer_called_through_forward_is_named()
    {
        using var scope = NewDisposeScope();
        using var net = new Net(
            (n, x) => n.Call("last", F.relu(n["inner"].forward(F.relu(n.Call("first", x))))),
            ("first", Conv(3, 8)), ("inner", Conv(8, 8)), ("last", Conv(8, 5)));
        var error = Assert.Throws<PruningException>(() => DependencyGraph.Trace(net, rand(2, 3, 8, 8)));
        Assert.Contains("'inner'", error.Message, StringComparison.Ordinal);
        Assert.Contains(".call", error.Message, StringComparison.Ordinal);
    }

    // Where two answers are right: the cautious one and the one that removes more.
    private static void AssertOneOf(ZooSubject subject, params string[][] right)
    {
        var found = GroupText.Free(subject.Graph);
        Assert.True(right.Any(lines => GroupText.Sorted(lines).SequenceEqual(found)), $"Free are {string.Join("; ", found)}. Right would be {string.Join(" or ", right.Select(lines => string.Join("; ", lines)))}.");
    }

    private static ZooSubject Traced(string name) => new(ZooCatalogue.All[name]);
}
