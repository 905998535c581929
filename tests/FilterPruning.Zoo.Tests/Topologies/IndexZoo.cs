using static FilterPruning.Zoo.Net;
using static TorchSharp.torch.nn;
using F = TorchSharp.torch.nn.functional;

namespace FilterPruning.Zoo;

/// <summary>Code that picks channels by their place or by their values.</summary>
public static class IndexZoo
{
    /// <summary>How many channels there are decides which layer is called.</summary>
    public static ZooModel WidthDecides { get; } = ZooModel.Of("width-decides", () => new Net(
        (n, x) =>
        {
            var y = F.relu(n.Call("first", F.relu(n.Call("stem", x))));
            return n.Call("last", F.relu(n.Call(y.shape[1] == 8 ? "full" : "narrow", y)));
        },
        ("stem", Conv(3, 5)), ("first", Conv(5, 8)), ("full", Conv(8, 6)), ("narrow", Conv(8, 6)), ("last", Conv(6, 5))), 2, 3, 8, 8) with
    { Stays = [("first", "")] };

    /// <summary>An order of the channels that a buffer holds.</summary>
    public static ZooModel OrderInBuffer { get; } = ZooModel.Of("order-in-buffer", () =>
    {
        var net = new Net(
            (n, x) => n.Call("last", F.relu(n.Call("first", F.relu(n.Call("stem", x)))).index_select(1, n.get_buffer("order")!)),
            ("stem", Conv(3, 5)), ("first", Conv(5, 8)), ("last", Conv(8, 5)));
        net.register_buffer("order", tensor(new long[] { 3, 1, 7, 0, 5, 2, 6, 4 }).DetachFromDisposeScope());
        return net;
    }, 2, 3, 8, 8) with
    { Stays = [("first", "")] };

    /// <summary>The products of all pairs of channels.</summary>
    public static ZooModel OuterProduct { get; } = ZooModel.Of("outer-product", () => new Net(
        (n, x) =>
        {
            var y = n.Call("first", F.relu(n.Call("stem", x)));                                  // [N, 4]
            return n.Call("last", (y.unsqueeze(2) * y.unsqueeze(1)).flatten(1));                 // [N, 16]
        },
        ("stem", Linear(6, 7)), ("first", Linear(7, 4)), ("last", Linear(16, 5))), 4, 6) with
    { Stays = [("first", "")] };

    /// <summary>The four largest channels, in their order.</summary>
    public static ZooModel LargestChannels { get; } = ZooModel.Of("largest-channels", () => new Net(
        (n, x) => n.Call("last", n.Call("first", F.relu(n.Call("stem", x))).topk(4, 1).values),
        ("stem", Conv(3, 5)), ("first", Conv(5, 8)), ("last", Conv(4, 5))), 2, 3, 8, 8) with
    { Stays = [("first", "")] };

    /// <summary>The last channel moves to the front, whichever it is.</summary>
    public static ZooModel Roll { get; } = ZooModel.Of("roll", () => new Net(
        (n, x) => n.Call("last", F.relu(n.Call("first", F.relu(n.Call("stem", x)))).roll(1, 1)),
        ("stem", Conv(3, 5)), ("first", Conv(5, 8)), ("last", Conv(8, 5))), 2, 3, 8, 8) with
    { Stays = [("first", "")] };

    /// <summary>The last channel is left out, whichever it is.</summary>
    public static ZooModel AllButLast { get; } = ZooModel.Of("all-but-last", () => new Net(
        (n, x) =>
        {
            var y = F.relu(n.Call("first", F.relu(n.Call("stem", x))));
            return n.Call("last", y.narrow(1, 0, y.shape[1] - 1));
        },
        ("stem", Conv(3, 5)), ("first", Conv(5, 8)), ("last", Conv(7, 5))), 2, 3, 8, 8) with
    { Stays = [("first", "")] };

    /// <summary>The first channel gates all.</summary>
    public static ZooModel FirstGates { get; } = ZooModel.Of("first-channel-gates", () => new Net(
        (n, x) =>
        {
            var y = F.relu(n.Call("first", F.relu(n.Call("stem", x))));
            return n.Call("last", y * sigmoid(y.narrow(1, 0, 1)));
        },
        ("stem", Conv(3, 5)), ("first", Conv(5, 8)), ("last", Conv(8, 5))), 2, 3, 8, 8) with
    { Stays = [("first", "")] };

    /// <summary>Half of the channels gate the other half (GLU).</summary>
    public static ZooModel HalfGates { get; } = ZooModel.Of("half-gates", () => new Net(
        (n, x) => n.Call("last", F.glu(n.Call("first", x), 1)),
        ("first", Conv(3, 16)), ("last", Conv(8, 5))), 2, 3, 8, 8);

    /// <summary>The larger of two channels each (maxout): neighbours belong together.</summary>
    public static ZooModel Maxout { get; } = ZooModel.Of("maxout", () => new Net(
        (n, x) =>
        {
            var y = n.Call("first", x);
            var (b, c, h, w) = (y.shape[0], y.shape[1], y.shape[2], y.shape[3]);
            return n.Call("last", y.view(b, c / 2, 2, h, w).amax([2]));
        },
        ("first", Conv(3, 16)), ("last", Conv(8, 5))), 2, 3, 8, 8);
}
