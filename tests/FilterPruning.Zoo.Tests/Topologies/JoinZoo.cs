using static FilterPruning.Zoo.Net;
using static TorchSharp.torch.nn;
using F = TorchSharp.torch.nn.functional;

namespace FilterPruning.Zoo;

/// <summary>Sums, concatenations and slices.</summary>
public static class JoinZoo
{
    /// <summary>A map joined to itself: each of its channels is read twice.</summary>
    public static ZooModel ConcatWithItself { get; } = ZooModel.Of("concat-with-itself", () => new Net(
        (n, x) =>
        {
            var y = F.relu(n.Call("first", x));
            return n.Call("last", cat([y, y], 1));
        },
        ("first", Conv(3, 8)), ("last", Conv(16, 5))), 2, 3, 8, 8);

    /// <summary>The first and the last two thirds of the channels: the middle third is read twice. The third is computed from the width.</summary>
    public static ZooModel OverlappingSlices { get; } = ZooModel.Of("overlapping-slices", () => new Net(
        (n, x) =>
        {
            var y = F.relu(n.Call("first", x));
            var third = y.shape[1] / 3;
            return n.Call("head", y.narrow(1, 0, 2 * third)) + n.Call("tail", y.narrow(1, third, 2 * third));
        },
        ("first", Conv(3, 12)), ("head", Conv(8, 5)), ("tail", Conv(8, 5))), 2, 3, 8, 8);

    /// <summary>Every second channel to one layer, the others to another.</summary>
    public static ZooModel InterleavedSlices { get; } = ZooModel.Of("interleaved-slices", () => new Net(
        (n, x) =>
        {
            var y = F.relu(n.Call("first", F.relu(n.Call("stem", x))));
            return n.Call("even", y.slice(1, 0, y.shape[1], 2)) + n.Call("odd", y.slice(1, 1, y.shape[1], 2));
        },
        ("stem", Conv(3, 5)), ("first", Conv(5, 12)), ("even", Conv(6, 5)), ("odd", Conv(6, 5))), 2, 3, 8, 8);

    /// <summary>A map of one channel is added to all channels of another.</summary>
    public static ZooModel BroadcastAdd { get; } = ZooModel.Of("broadcast-add", () => new Net(
        (n, x) => n.Call("last", F.relu(n.Call("first", x) + n.Call("map", x))),
        ("first", Conv(3, 8)), ("map", Conv(3, 1)), ("last", Conv(8, 5))), 2, 3, 8, 8) with
    { Stays = [("map", "")] };

    /// <summary>A narrow shortcut is padded with zero channels before it is added, as in the ResNets for small pictures; the padding is computed.</summary>
    public static ZooModel PaddedShortcut { get; } = ZooModel.Of("padded-shortcut", () => new Net(
        (n, x) =>
        {
            var narrow = F.relu(n.Call("narrow", x));
            var wide = n.Call("wide", narrow);
            return n.Call("last", F.relu(wide + F.pad(narrow, [0, 0, 0, 0, 0, wide.shape[1] - narrow.shape[1]])));
        },
        ("narrow", Conv(3, 8)), ("wide", Conv(8, 12)), ("last", Conv(12, 5))), 2, 3, 8, 8);

    /// <summary>A map is added to its own mirror image along the channels.</summary>
    public static ZooModel FlipAdd { get; } = ZooModel.Of("flip-add", () => new Net(
        (n, x) =>
        {
            var y = F.relu(n.Call("first", x));
            return n.Call("last", y + y.flip(1));
        },
        ("first", Conv(3, 8)), ("last", Conv(8, 5))), 2, 3, 8, 8);

    /// <summary>The channels in reverse order.</summary>
    public static ZooModel Flip { get; } = ZooModel.Of("flip", () => new Net(
        (n, x) => n.Call("last", F.relu(n.Call("first", x)).flip(1)),
        ("first", Conv(3, 8)), ("last", Conv(8, 5))), 2, 3, 8, 8);

    /// <summary>Two maps, one of them narrow, joined to their own negatives (CReLU): each value goes two ways at once.</summary>
    public static ZooModel JoinedToNegatives { get; } = ZooModel.Of("joined-to-negatives", () => new Net(
        (n, x) =>
        {
            var y = cat([n.Call("wide", x), n.Call("narrow", x)], 1);
            return n.Call("last", F.relu(cat([y, -y], 1)));
        },
        ("wide", Conv(3, 8)), ("narrow", Conv(3, 2)), ("last", Conv(20, 5))), 2, 3, 8, 8);

    /// <summary>The halves change places twice: all is as before while there are halves, and not for odd widths.</summary>
    public static ZooModel SwapTwice { get; } = ZooModel.Of("swap-twice", () => new Net(
        (n, x) => n.Call("last", Swapped(Swapped(F.relu(n.Call("first", F.relu(n.Call("stem", x))))))),
        ("stem", Conv(3, 5)), ("first", Conv(5, 12)), ("last", Conv(12, 5))), 2, 3, 8, 8);

    /// <summary>A shuffle, and channels that join behind it.</summary>
    public static ZooModel GrowAfterShuffle { get; } = ZooModel.Of("grow-after-shuffle", () => new Net(
        (n, x) =>
        {
            var y = F.relu(n.Call("first", x));
            y = y.view(y.shape[0], 2, y.shape[1] / 2, y.shape[2], y.shape[3]).transpose(1, 2).reshape(y.shape);
            return n.Call("last", cat([y, F.relu(n.Call("grow", y))], 1));
        },
        ("first", Conv(3, 12)), ("grow", Conv(12, 4)), ("last", Conv(16, 5))), 2, 3, 8, 8);

    private static Tensor Swapped(Tensor x) => cat([x.chunk(2, 1)[1], x.chunk(2, 1)[0]], 1);
}
