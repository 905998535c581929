using static FilterPruning.Zoo.Net;
using static TorchSharp.torch.nn;
using F = TorchSharp.torch.nn.functional;

namespace FilterPruning.Zoo;

/// <summary>Code between layers in which channels meet: gates, softmax, extremes, attention.</summary>
public static class MixZoo
{
    /// <summary>A gate for each channel, from the means of all.</summary>
    public static ZooModel SqueezeExcite { get; } = ZooModel.Of("squeeze-excite", () => new Net(
        (n, x) =>
        {
            var y = F.relu(n.Call("first", x));
            return n.Call("last", y * sigmoid(n.Call("expand", F.relu(n.Call("squeeze", y.mean([2, 3], true))))));
        },
        ("first", Conv(3, 8)), ("squeeze", Conv(8, 4, 1)), ("expand", Conv(4, 8, 1)), ("last", Conv(8, 5))), 2, 3, 8, 8);

    /// <summary>A gate whose channels sum to one: without one of them the others are larger. The gated map must stay as wide as the gate.</summary>
    public static ZooModel SoftmaxGate { get; } = ZooModel.Of("softmax-gate", () => new Net(
        (n, x) =>
        {
            var y = F.relu(n.Call("first", x));
            return n.Call("last", y * softmax(n.Call("gate", F.relu(n.Call("squeeze", y.mean([2, 3], true)))), 1));
        },
        ("first", Conv(3, 8)), ("squeeze", Conv(8, 4, 1)), ("gate", Conv(4, 8, 1)), ("last", Conv(8, 5))), 2, 3, 8, 8) with
    { Stays = [("first", ""), ("gate", "")] };

    /// <summary>The largest channel at each place joins the channels.</summary>
    public static ZooModel MaximumOverChannels { get; } = ZooModel.Of("maximum-over-channels", () => new Net(
        (n, x) =>
        {
            var y = F.relu(n.Call("first", F.relu(n.Call("stem", x))));
            return n.Call("last", cat([y, y.amax([1], true)], 1));
        },
        ("stem", Conv(3, 6)), ("first", Conv(6, 8)), ("last", Conv(9, 5))), 2, 3, 8, 8);

    /// <summary>CBAM's spatial gate: mean and maximum over the channels decide on each place.</summary>
    public static ZooModel SpatialGate { get; } = ZooModel.Of("spatial-gate", () => new Net(
        (n, x) =>
        {
            var y = F.relu(n.Call("first", F.relu(n.Call("stem", x))));
            return n.Call("last", y * sigmoid(n.Call("gate", cat([y.mean([1], true), y.amax([1], true)], 1))));
        },
        ("stem", Conv(3, 6)), ("first", Conv(6, 8)), ("gate", Conv(2, 1, 7)), ("last", Conv(8, 5))), 2, 3, 8, 8) with
    { Stays = [("first", "")] };

    /// <summary>Each place divided by its length over the channels.</summary>
    public static ZooModel UnitLength { get; } = ZooModel.Of("unit-length", () => new Net(
        (n, x) => n.Call("last", F.normalize(n.Call("first", F.relu(n.Call("stem", x))), 2, 1)),
        ("stem", Conv(3, 6)), ("first", Conv(6, 8)), ("last", Conv(8, 5))), 2, 3, 8, 8);

    /// <summary>The best class of each place decides on a factor, and the scores feed the next layer as well.</summary>
    public static ZooModel ArgmaxOnTheSide { get; } = ZooModel.Of("argmax-on-the-side", () => new Net(
        (n, x) =>
        {
            var scores = n.Call("scores", F.relu(n.Call("first", x)));
            var best = scores.argmax(1, keepdim: true).to(float32);
            return n.Call("last", scores * (1 + best));
        },
        ("first", Conv(3, 8)), ("scores", Conv(8, 6)), ("last", Conv(6, 5))), 2, 3, 8, 8) with
    { Stays = [("scores", "")] };

    /// <summary>Attention by hand, one projection for queries, keys and values; four heads, written down.</summary>
    public static ZooModel AttentionOfOne { get; } = ZooModel.Of("attention-one-projection", () => new Net(
        (n, x) =>
        {
            const int heads = 4;
            var tokens = n.Call("embed", x);                                                                                              // [b, t, e]
            var (b, t) = (x.shape[0], x.shape[1]);
            var parts = n.Call("qkv", tokens).reshape(b, t, 3, heads, -1).permute(2, 0, 3, 1, 4);                                         // [3, b, heads, t, d]
            var weights = softmax(matmul(parts[0], parts[1].transpose(-2, -1)) * 0.5, -1);
            return n.Call("last", n.Call("project", matmul(weights, parts[2]).transpose(1, 2).flatten(2)));
        },
        ("embed", Linear(6, 12)), ("qkv", Linear(12, 72)), ("project", Linear(24, 10)), ("last", Linear(10, 5))), 2, 7, 6);

    /// <summary>Attention by hand, three projections; four heads, written down; the scale was computed once from the width.</summary>
    public static ZooModel AttentionOfThree { get; } = ZooModel.Of("attention-three-projections", () => new Net(
        (n, x) =>
        {
            var tokens = n.Call("embed", x);                                                                                              // [b, t, e]
            var (b, t) = (x.shape[0], x.shape[1]);
            var weights = softmax(matmul(Heads("q"), Heads("k").transpose(-2, -1)) * 0.5, -1);
            return n.Call("last", n.Call("project", matmul(weights, Heads("v")).transpose(1, 2).flatten(2)));

            Tensor Heads(string name) => n.Call(name, tokens).view(b, t, 4, -1).transpose(1, 2);                                         // [b, heads, t, d]
        },
        ("embed", Linear(6, 12)), ("q", Linear(12, 24)), ("k", Linear(12, 24)), ("v", Linear(12, 24)), ("project", Linear(24, 10)), ("last", Linear(10, 5))), 2, 7, 6);

    /// <summary>Attention by hand whose heads have six features each; how many heads there are follows from the width.</summary>
    public static ZooModel AttentionByWidth { get; } = ZooModel.Of("attention-heads-by-width", () => new Net(
        (n, x) =>
        {
            var tokens = n.Call("embed", x);
            var (b, t) = (x.shape[0], x.shape[1]);
            var weights = softmax(matmul(Heads("q"), Heads("k").transpose(-2, -1)) * 0.5, -1);
            return n.Call("last", n.Call("project", matmul(weights, Heads("v")).transpose(1, 2).flatten(2)));

            Tensor Heads(string name) => n.Call(name, tokens).view(b, t, -1, 6).transpose(1, 2);
        },
        ("embed", Linear(6, 12)), ("q", Linear(12, 24)), ("k", Linear(12, 24)), ("v", Linear(12, 24)), ("project", Linear(24, 10)), ("last", Linear(10, 5))), 2, 7, 6);
}
