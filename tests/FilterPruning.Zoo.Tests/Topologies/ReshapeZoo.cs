using static FilterPruning.Zoo.Net;
using static TorchSharp.torch.nn;
using F = TorchSharp.torch.nn.functional;

namespace FilterPruning.Zoo;

/// <summary>Code between layers that splits, deals out or merges the channel axis.</summary>
public static class ReshapeZoo
{
    /// <summary>Four groups, each with a factor of its own: a channel must keep its group, so that only one place in every group at once may go.</summary>
    public static ZooModel FactorPerGroup { get; } = ZooModel.Of("factor-per-group", () => new Net(
        (n, x) =>
        {
            var y = F.relu(n.Call("first", x));
            var (b, c, h, w) = (y.shape[0], y.shape[1], y.shape[2], y.shape[3]);
            var scaled = y.view(b, 4, c / 4, h, w) * tensor(new[] { 0.5f, 1, 2, 4 }).view(1, 4, 1, 1, 1);
            return n.Call("last", scaled.view(b, c, h, w));
        },
        ("first", Conv(3, 12)), ("last", Conv(12, 5))), 2, 3, 8, 8);

    /// <summary>Four groups, each normalized by its own mean: whatever goes changes the mean of the rest.</summary>
    public static ZooModel MeanPerGroup { get; } = ZooModel.Of("mean-per-group", () => new Net(
        (n, x) =>
        {
            var y = n.Call("first", F.relu(n.Call("stem", x)));
            var (b, c, h, w) = (y.shape[0], y.shape[1], y.shape[2], y.shape[3]);
            var groups = y.view(b, 4, c / 4, h, w);
            return n.Call("last", (groups - groups.mean([2, 3, 4], true)).view(b, c, h, w));
        },
        ("stem", Conv(3, 6)), ("first", Conv(6, 16)), ("last", Conv(16, 5))), 2, 3, 8, 8) with
    { Stays = [("first", "")] };

    /// <summary>The same with groups of four channels, as many as there are: whole groups may go.</summary>
    public static ZooModel MeanPerGroupOfFour { get; } = ZooModel.Of("mean-per-group-of-four", () => new Net(
        (n, x) =>
        {
            var y = n.Call("first", F.relu(n.Call("stem", x)));
            var (b, c, h, w) = (y.shape[0], y.shape[1], y.shape[2], y.shape[3]);
            var groups = y.view(b, c / 4, 4, h, w);
            return n.Call("last", (groups - groups.mean([2, 3, 4], true)).view(b, c, h, w));
        },
        ("stem", Conv(3, 6)), ("first", Conv(6, 16)), ("last", Conv(16, 5))), 2, 3, 8, 8);

    /// <summary>Four channels become a square of four pixels.</summary>
    public static ZooModel PixelShuffle { get; } = ZooModel.Of("pixel-shuffle", () => new Net(
        (n, x) => n.Call("last", F.pixel_shuffle(F.relu(n.Call("first", x)), 2)),
        ("first", Conv(3, 16)), ("last", Conv(4, 5))), 2, 3, 6, 6);

    /// <summary>A square of four pixels becomes four channels.</summary>
    public static ZooModel PixelUnshuffle { get; } = ZooModel.Of("pixel-unshuffle", () => new Net(
        (n, x) => n.Call("last", F.pixel_unshuffle(F.relu(n.Call("first", x)), 2)),
        ("first", Conv(3, 6)), ("last", Conv(24, 5))), 2, 3, 6, 6);

    /// <summary>Channels first: each channel owns a block of nine features.</summary>
    public static ZooModel FlattenChannelsFirst { get; } = ZooModel.Of("flatten-channels-first", () => new Net(
        (n, x) => n.Call("last", F.relu(n.Call("fc", F.adaptive_avg_pool2d(F.relu(n.Call("conv", x)), 3).flatten(1)))),
        ("conv", Conv(3, 6)), ("fc", Linear(54, 9)), ("last", Linear(9, 5))), 2, 3, 9, 9);

    /// <summary>Channels last: each channel owns every sixth feature.</summary>
    public static ZooModel FlattenChannelsLast { get; } = ZooModel.Of("flatten-channels-last", () => new Net(
        (n, x) => n.Call("last", F.relu(n.Call("fc", F.adaptive_avg_pool2d(F.relu(n.Call("conv", x)), 3).permute(0, 2, 3, 1).flatten(1)))),
        ("conv", Conv(3, 6)), ("fc", Linear(54, 9)), ("last", Linear(9, 5))), 2, 3, 9, 9);

    /// <summary>ShuffleNet's shuffle with two groups.</summary>
    public static ZooModel ChannelShuffle { get; } = ZooModel.Of("channel-shuffle", () => new Net(
        (n, x) =>
        {
            var y = F.relu(n.Call("first", x));
            var (b, c, h, w) = (y.shape[0], y.shape[1], y.shape[2], y.shape[3]);
            return n.Call("last", y.view(b, 2, c / 2, h, w).transpose(1, 2).reshape(b, c, h, w));
        },
        ("first", Conv(3, 8)), ("last", Conv(8, 5))), 2, 3, 8, 8);

    /// <summary>The number of features is written down.</summary>
    public static ZooModel WidthInCode { get; } = ZooModel.Of("width-in-code", () => new Net(
        (n, x) => n.Call("last", F.relu(n.Call("fc", F.adaptive_avg_pool2d(F.relu(n.Call("conv", x)), 5).view(-1, 400)))),
        ("conv", Conv(3, 16)), ("fc", Linear(400, 9)), ("last", Linear(9, 5))), 2, 3, 10, 10) with
    { Stays = [("conv", "number")] };

    /// <summary>A slice that begins and ends at numbers that are written down.</summary>
    public static ZooModel SliceInCode { get; } = ZooModel.Of("slice-in-code", () => new Net(
        (n, x) =>
        {
            var y = F.relu(n.Call("inner", F.relu(n.Call("first", x))));
            return n.Call("head", y.narrow(1, 0, 4)) + n.Call("tail", y.narrow(1, 4, 8));
        },
        ("first", Conv(3, 6)), ("inner", Conv(6, 12)), ("head", Conv(4, 5)), ("tail", Conv(8, 5))), 2, 3, 8, 8) with
    { Stays = [("inner", "number")] };
}
