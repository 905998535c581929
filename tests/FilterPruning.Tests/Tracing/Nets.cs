using TorchSharp.Modules;
using static TorchSharp.torch.nn;
using F = TorchSharp.torch.nn.functional;

namespace FilterPruning.Tests.Tracing;

/// <summary>A net from a list of named layers and a forward: enough for every topology the tests need.</summary>
public sealed class Net : Module<Tensor, Tensor>
{
    private readonly Func<Net, Tensor, Tensor> _forward;
    private readonly Dictionary<string, Module<Tensor, Tensor>> _layers = [];

    public Net(Func<Net, Tensor, Tensor> forward, params (string Name, Module<Tensor, Tensor> Layer)[] layers)
        : base("net")
    {
        _forward = forward;
        foreach (var (name, layer) in layers)
        {
            _layers[name] = layer;
            register_module(name, layer);
        }
    }

    public Module<Tensor, Tensor> this[string name] => _layers[name];

    public Tensor Call(string name, Tensor x) => _layers[name].call(x);

    public override Tensor forward(Tensor x)
    {
        using var scope = NewDisposeScope();
        return _forward(this, x).MoveToOuterDisposeScope();
    }
}

/// <summary>Small nets with one coupling each; the expected groups are stated in closed form by the tests.</summary>
public static class Nets
{
    public static Conv2d Conv(int inputs, int outputs, int kernel = 3, int groups = 1) => Conv2d(inputs, outputs, kernel, padding: kernel / 2, groups: groups);

    public static Net Chain() => new(
        (n, x) => n.Call("last", F.relu(n.Call("norm", n.Call("first", x)))),
        ("first", Conv(3, 8)), ("norm", BatchNorm2d(8)), ("last", Conv(8, 5)));

    public static Net Residual() => new(
        (n, x) =>
        {
            var a = F.relu(n.Call("first", x));
            return n.Call("last", F.relu(n.Call("norm", n.Call("inner", a)) + a));
        },
        ("first", Conv(3, 8)), ("inner", Conv(8, 8)), ("norm", BatchNorm2d(8)), ("last", Conv(8, 5)));

    public static Net Concat() => new(
        (n, x) =>
        {
            var a = F.relu(n.Call("left", x));
            var b = F.relu(n.Call("right", x));
            return n.Call("last", cat([a, b, a], 1));
        },
        ("left", Conv(3, 4)), ("right", Conv(3, 6)), ("last", Conv(14, 5)));

    public static Net Flatten() => new(
        (n, x) => n.Call("last", F.relu(n.Call("fc", F.adaptive_avg_pool2d(F.relu(n.Call("conv", x)), 7).flatten(1)))),
        ("conv", Conv(3, 6)), ("fc", Linear(6 * 49, 9)), ("last", Linear(9, 5)));

    public static Net SqueezeExcite() => new(
        (n, x) =>
        {
            var y = F.relu(n.Call("first", x));
            var gate = sigmoid(n.Call("expand", F.relu(n.Call("squeeze", y.mean([2, 3], true)))));
            return n.Call("last", y * gate);
        },
        ("first", Conv(3, 8)), ("squeeze", Conv(8, 4, 1)), ("expand", Conv(4, 8, 1)), ("last", Conv(8, 5)));

    public static Net SharedHead() => new(
        (n, x) =>
        {
            var a = F.relu(n.Call("body", x));
            var fine = n.Call("lateral1", a);
            var coarse = n.Call("lateral2", F.relu(n.Call("down", a)));
            return n.Call("predict", F.relu(n.Call("head", fine))).mean() + n.Call("predict", F.relu(n.Call("head", coarse))).mean();
        },
        ("body", Conv(3, 8)), ("down", Conv2d(8, 10, 3, stride: 2, padding: 1)), ("lateral1", Conv(8, 6, 1)), ("lateral2", Conv(10, 6, 1)),
        ("head", Conv(6, 7)), ("predict", Conv(7, 2, 1)));

    public static Net Depthwise() => new(
        (n, x) => n.Call("last", F.relu(n.Call("depthwise", F.relu(n.Call("first", x))))),
        ("first", Conv(3, 8)), ("depthwise", Conv(8, 8, groups: 8)), ("last", Conv(8, 5)));

    public static Net Grouped() => new(
        (n, x) => n.Call("last", F.relu(n.Call("grouped", F.relu(n.Call("first", x))))),
        ("first", Conv(3, 12)), ("grouped", Conv(12, 8, groups: 4)), ("last", Conv(8, 5)));

    public static Net Shuffle() => new(
        (n, x) =>
        {
            var y = F.relu(n.Call("first", x));
            var dealt = y.view(y.shape[0], 2, y.shape[1] / 2, y.shape[2], y.shape[3]).transpose(1, 2).reshape(y.shape);
            return n.Call("last", dealt);
        },
        ("first", Conv(3, 8)), ("last", Conv(8, 5)));

    public static Net ShuffleOfTwo() => new(
        (n, x) =>
        {
            var y = cat([F.relu(n.Call("left", x)), F.relu(n.Call("right", x))], 1);
            var dealt = y.view(y.shape[0], 2, y.shape[1] / 2, y.shape[2], y.shape[3]).transpose(1, 2).reshape(y.shape);
            return n.Call("last", dealt);
        },
        ("left", Conv(3, 6)), ("right", Conv(3, 6)), ("last", Conv(12, 5)));

    public static Net SwappedHalves() => new(
        (n, x) =>
        {
            var halves = F.relu(n.Call("first", x)).chunk(2, 1);
            return n.Call("last", cat([halves[1], halves[0]], 1));
        },
        ("first", Conv(3, 8)), ("last", Conv(8, 5)));

    /// <summary>A third of the channels to one layer, the rest to another; the third is written down, or computed.</summary>
    public static Net Slice(bool writtenDown) => new(
        (n, x) =>
        {
            var y = F.relu(n.Call("first", x));
            var third = writtenDown ? 4 : y.shape[1] / 3;
            return n.Call("head", y.narrow(1, 0, third)) + n.Call("tail", y.narrow(1, third, y.shape[1] - third));
        },
        ("first", Conv(3, 12)), ("head", Conv(4, 5)), ("tail", Conv(8, 5)));

    public static Net LiteralView() => new(
        (n, x) => n.Call("last", F.relu(n.Call("fc", F.adaptive_avg_pool2d(F.relu(n.Call("conv", x)), 5).view(-1, 6 * 25)))),
        ("conv", Conv(3, 6)), ("fc", Linear(6 * 25, 9)), ("last", Linear(9, 5)));

    public static Net ChannelsLastFlatten() => new(
        (n, x) => n.Call("last", F.adaptive_avg_pool2d(F.relu(n.Call("conv", x)), 2).permute(0, 2, 3, 1).flatten(1)),
        ("conv", Conv(3, 6)), ("last", Linear(24, 5)));

    public static Net CalledTwice() => new(
        (n, x) => n.Call("last", F.relu(n.Call("twice", F.relu(n.Call("twice", F.relu(n.Call("first", x))))))),
        ("first", Conv(3, 8)), ("twice", Conv(8, 8)), ("last", Conv(8, 5)));

    public static Net BroadcastAdd() => new(
        (n, x) =>
        {
            var shift = n.Call("shift", F.relu(n.Call("code", x.mean([2, 3]))));
            return n.Call("last", n.Call("first", x) + shift.unsqueeze(2).unsqueeze(3));
        },
        ("code", Linear(3, 6)), ("shift", Linear(6, 8)), ("first", Conv(3, 8)), ("last", Conv(8, 5)));

    public static Net SpatialGate() => new(
        (n, x) =>
        {
            var y = F.relu(n.Call("first", x));
            return n.Call("last", y * sigmoid(n.Call("gate", y)));
        },
        ("first", Conv(3, 8)), ("gate", Conv(8, 1)), ("last", Conv(8, 5)));

    public static Net InPlace() => new(
        (n, x) =>
        {
            var y = n.Call("first", x).relu_();
            var z = n.Call("inner", y);
            z.add_(y).relu_();
            return n.Call("last", z);
        },
        ("first", Conv(3, 8)), ("inner", Conv(8, 8)), ("last", Conv(8, 5)));

    public static Net Argmax() => new(
        (n, x) => n.Call("last", F.relu(n.Call("first", x))).argmax(1),
        ("first", Conv(3, 8)), ("last", Conv(8, 5)));

    public static Net NoGrad() => new(
        (n, x) =>
        {
            using var guard = no_grad();
            return n.Call("last", F.relu(n.Call("first", x)));
        },
        ("first", Conv(3, 8)), ("last", Conv(8, 5)));

    /// <summary>Four heads of four features; the number of heads follows from the width.</summary>
    public static Net Attention() => new(
        (n, x) =>
        {
            var tokens = F.relu(n.Call("embed", x.flatten(2).transpose(1, 2)));
            var (q, k, v) = (Heads("q"), Heads("k"), Heads("v"));
            var mixed = matmul(softmax(matmul(q, k.transpose(2, 3)), 3), v);
            return n.Call("project", mixed.transpose(1, 2).flatten(2));

            Tensor Heads(string name)
            {
                var y = n.Call(name, tokens);
                return y.view(y.shape[0], y.shape[1], -1, 4).transpose(1, 2);
            }
        },
        ("embed", Linear(3, 10)), ("q", Linear(10, 16)), ("k", Linear(10, 16)), ("v", Linear(10, 16)), ("project", Linear(16, 5)));

    public static Net SoftmaxOverChannels() => new(
        (n, x) => n.Call("last", softmax(n.Call("first", x), 1)),
        ("first", Conv(3, 8)), ("last", Conv(8, 5)));

    /// <summary>Reads the layer's output through a gate that no value opens.</summary>
    public static Net Dark() => new(
        (n, x) =>
        {
            var y = n.Call("first", x);
            return n.Call("last", F.relu(n.Call("side", x)) + F.relu(-1 - (y * y)));
        },
        ("first", Conv(3, 8)), ("side", Conv(3, 8)), ("last", Conv(8, 5)));

    /// <summary>Channel 3 of the first layer reaches its reader through a factor of zero.</summary>
    public static Net OneDarkChannel() => new(
        (n, x) => n.Call("last", F.relu(n.Call("first", x)) * tensor(new[] { 1f, 1, 1, 0, 1, 1, 1, 1 }).view(8, 1, 1)),
        ("first", Conv(3, 8)), ("last", Conv(8, 5)));

    public static Net LayerNormBetween() => new(
        (n, x) => n.Call("last", n.Call("norm", F.relu(n.Call("first", x.mean([2, 3]))))),
        ("first", Linear(3, 8)), ("norm", LayerNorm(8)), ("last", Linear(8, 5)));

    public static Net Bypassed() => new(
        (n, x) => n.Call("last", F.relu(n["inner"].forward(n.Call("first", x)))),
        ("first", Conv(3, 8)), ("inner", Conv(8, 8)), ("last", Conv(8, 5)));

    public static Net Wide(int channels) => new(
        (n, x) => n.Call("last", F.relu(n.Call("norm", n.Call("inner", F.relu(n.Call("first", x)))) + n.Call("skip", x))),
        ("first", Conv(3, channels, 1)), ("inner", Conv(channels, channels, 1)), ("norm", BatchNorm2d(channels)), ("skip", Conv(3, channels, 1)), ("last", Conv(channels, 5, 1)));

    public static Sequential Nested() => Sequential(
        ("stem", Sequential(("conv", Conv(3, 8)), ("act", ReLU(inplace: true)))),
        ("body", Sequential(("a", Sequential(("conv", Conv(8, 6)), ("norm", BatchNorm2d(6)))), ("b", Conv(6, 5)))));

    /// <summary>Two units of a ShuffleNet V2: half of the channels pass by, the other half goes through a branch, and the two are shuffled.</summary>
    public static Net ShuffleUnits()
    {
        return new(
            (n, x) => n.Call("last", Unit(n, "2", Unit(n, "1", F.relu(n.Call("first", x))))),
            [("first", Conv(3, 16)), .. Branch("1"), .. Branch("2"), ("last", Conv(16, 5))]);

        static (string, Module<Tensor, Tensor>)[] Branch(string unit) =>
            [("in" + unit, Conv(8, 12, 1)), ("depth" + unit, Conv(12, 12, groups: 12)), ("out" + unit, Conv(12, 8, 1))];

        static Tensor Unit(Net n, string unit, Tensor x)
        {
            var halves = x.chunk(2, 1);
            var branch = F.relu(n.Call("out" + unit, n.Call("depth" + unit, F.relu(n.Call("in" + unit, halves[1])))));
            var y = cat([halves[0], branch], 1);
            return y.view(y.shape[0], 2, y.shape[1] / 2, y.shape[2], y.shape[3]).transpose(1, 2).reshape(y.shape);
        }
    }

    public static Net Dense() => new(
        (n, x) =>
        {
            var a = F.relu(n.Call("first", x));
            var b = cat([a, F.relu(n.Call("grow1", a))], 1);
            var c = cat([b, F.relu(n.Call("grow2", b))], 1);
            return n.Call("last", F.relu(n.Call("norm", c)));
        },
        ("first", Conv(3, 8)), ("grow1", Conv(8, 4)), ("grow2", Conv(12, 4)), ("norm", BatchNorm2d(16)), ("last", Conv(16, 5)));

    public static Net Mobile() => new(
        (n, x) =>
        {
            var a = F.hardswish(n.Call("norm1", n.Call("first", x)));
            var b = F.hardswish(n.Call("norm3", n.Call("depthwise", F.hardswish(n.Call("norm2", n.Call("expand", a))))));
            var gate = F.hardsigmoid(n.Call("gate2", F.relu(n.Call("gate1", F.adaptive_avg_pool2d(b, 1)))));
            return n.Call("last", F.adaptive_avg_pool2d(a + n.Call("norm4", n.Call("project", b * gate)), 1).flatten(1));
        },
        ("first", Conv(3, 8)), ("norm1", BatchNorm2d(8)), ("expand", Conv(8, 24, 1)), ("norm2", BatchNorm2d(24)), ("depthwise", Conv(24, 24, groups: 24)), ("norm3", BatchNorm2d(24)),
        ("gate1", Conv(24, 6, 1)), ("gate2", Conv(6, 24, 1)), ("project", Conv(24, 8, 1)), ("norm4", BatchNorm2d(8)), ("last", Linear(8, 5)));

    public static Net Encoder() => new(
        (n, x) =>
        {
            var a = F.leaky_relu(n.Call("down1", x), 0.1);
            var b = F.leaky_relu(n.Call("down2", F.max_pool2d(a, 2)), 0.1);
            return n.Call("last", cat([n.Call("up", b), a], 1));
        },
        ("down1", Conv(3, 6)), ("down2", Conv(6, 10)), ("up", ConvTranspose2d(10, 6, 2, stride: 2)), ("last", Conv(12, 5)));

    public static Net SubPixel() => new(
        (n, x) => n.Call("last", F.pixel_shuffle(F.relu(n.Call("first", x)), 2)),
        ("first", Conv(3, 16)), ("last", Conv(4, 5)));

    public static Net GroupNormed()
    {
        var norm = GroupNorm(4, 8);
        // TorchSharp 0.107 leaves these uninitialized.
        init.ones_(norm.weight!);
        init.zeros_(norm.bias!);
        return new(
            (n, x) => n.Call("last", F.relu(n.Call("middle", F.relu(n.Call("norm", n.Call("first", x)))))),
            ("first", Conv(3, 8)), ("norm", norm), ("middle", Conv(8, 6)), ("last", Conv(6, 5)));
    }

    public static Net OneDimensional() => new(
        (n, x) => n.Call("last", F.relu(n.Call("norm", n.Call("first", x.flatten(2)))).mean([2])),
        ("first", Conv1d(3, 8, 3)), ("norm", BatchNorm1d(8)), ("last", Linear(8, 5)));

    public static Net ThreeDimensional() => new(
        (n, x) => n.Call("last", F.relu(n.Call("norm", n.Call("first", x.unsqueeze(2))))),
        ("first", Conv3d(3, 8, 1)), ("norm", BatchNorm3d(8)), ("last", Conv3d(8, 5, 1)));

    public static Net Slopes() => new(
        (n, x) => n.Call("last", n.Call("slope", n.Call("norm", n.Call("first", x)))),
        ("first", Conv(3, 8)), ("norm", InstanceNorm2d(8, affine: true, track_running_stats: true)), ("slope", PReLU(8)), ("last", Conv(8, 5)));

    public static Net GroupedTranspose() => new(
        (n, x) => n.Call("last", F.relu(n.Call("grouped", F.relu(n.Call("first", x))))),
        ("first", Conv(3, 12)), ("grouped", ConvTranspose2d(12, 8, 2, stride: 2, groups: 2)), ("last", Conv(8, 5)));

    /// <summary>Reads the channels in an order that is written down.</summary>
    public static Net Permuted() => new(
        (n, x) => n.Call("last", F.relu(n.Call("inner", F.relu(n.Call("first", x)).index_select(1, tensor(new long[] { 3, 8, 1, 0, 9, 5, 2, 7, 4, 6 }))))),
        ("first", Conv(3, 10)), ("inner", Conv(10, 6)), ("last", Conv(6, 5)));

    public static Net Scaled()
    {
        var scale = new TorchSharp.Modules.Parameter(rand(8, 1, 1) + 0.5);
        var net = new Net((n, x) => n.Call("last", F.relu(n.Call("inner", F.relu(n.Call("first", x)) * scale))), ("first", Conv(3, 8)), ("inner", Conv(8, 6)), ("last", Conv(6, 5)));
        net.register_parameter("scale", scale);
        return net;
    }

    /// <summary>Every net above, by name.</summary>
    public static IReadOnlyDictionary<string, Func<Module<Tensor, Tensor>>> All { get; } = new Dictionary<string, Func<Module<Tensor, Tensor>>>
    {
        [nameof(Chain)] = Chain,
        [nameof(Residual)] = Residual,
        [nameof(Concat)] = Concat,
        [nameof(Flatten)] = Flatten,
        [nameof(SqueezeExcite)] = SqueezeExcite,
        [nameof(SharedHead)] = SharedHead,
        [nameof(Depthwise)] = Depthwise,
        [nameof(Grouped)] = Grouped,
        [nameof(Shuffle)] = Shuffle,
        [nameof(ShuffleOfTwo)] = ShuffleOfTwo,
        [nameof(SwappedHalves)] = SwappedHalves,
        ["SliceWritten"] = () => Slice(true),
        ["SliceComputed"] = () => Slice(false),
        [nameof(LiteralView)] = LiteralView,
        [nameof(ChannelsLastFlatten)] = ChannelsLastFlatten,
        [nameof(CalledTwice)] = CalledTwice,
        [nameof(BroadcastAdd)] = BroadcastAdd,
        [nameof(SpatialGate)] = SpatialGate,
        [nameof(InPlace)] = InPlace,
        [nameof(NoGrad)] = NoGrad,
        [nameof(Attention)] = Attention,
        [nameof(SoftmaxOverChannels)] = SoftmaxOverChannels,
        [nameof(LayerNormBetween)] = LayerNormBetween,
        [nameof(Nested)] = Nested,
        [nameof(ShuffleUnits)] = ShuffleUnits,
        [nameof(Dense)] = Dense,
        [nameof(Mobile)] = Mobile,
        [nameof(Encoder)] = Encoder,
        [nameof(SubPixel)] = SubPixel,
        [nameof(GroupNormed)] = GroupNormed,
        [nameof(OneDimensional)] = OneDimensional,
        [nameof(ThreeDimensional)] = ThreeDimensional,
        [nameof(Slopes)] = Slopes,
        [nameof(Scaled)] = Scaled,
        [nameof(GroupedTranspose)] = GroupedTranspose,
        [nameof(Permuted)] = Permuted,
    };
}
