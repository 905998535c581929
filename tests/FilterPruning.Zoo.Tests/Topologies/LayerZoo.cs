using TorchSharp.Modules;
using static FilterPruning.Zoo.Net;
using static TorchSharp.torch.nn;
using F = TorchSharp.torch.nn.functional;

namespace FilterPruning.Zoo;

/// <summary>Layers that are special themselves, or used in a special way.</summary>
public static class LayerZoo
{
    /// <summary>Each input channel has a filter group of its own with two outputs.</summary>
    public static ZooModel DepthwiseMultiplier { get; } = ZooModel.Of("depthwise-multiplier-2", () => new Net(
        (n, x) => n.Call("last", F.relu(n.Call("depthwise", F.relu(n.Call("first", x))))),
        ("first", Conv(3, 8)), ("depthwise", Conv(8, 16, groups: 8)), ("last", Conv(16, 5))), 2, 3, 8, 8);

    /// <summary>Two blocks of six inputs and four outputs.</summary>
    public static ZooModel GroupedTranspose { get; } = ZooModel.Of("grouped-transpose", () => new Net(
        (n, x) => n.Call("last", F.relu(n.Call("grouped", F.relu(n.Call("first", x))))),
        ("first", Conv(3, 12)), ("grouped", ConvTranspose2d(12, 8, 2, stride: 2, groups: 2)), ("last", Conv(8, 5))), 2, 3, 6, 6);

    /// <summary>Two linear layers with one weight.</summary>
    public static ZooModel TiedWeights { get; } = ZooModel.Of("tied-weights", () =>
    {
        var (a, b) = (Linear(8, 8), Linear(8, 8));
        b.weight = a.weight;
        return new Net(
            (n, x) => n.Call("last", F.relu(n.Call("c", F.relu(n.Call("b", F.relu(n.Call("a", F.relu(n.Call("first", x))))))))),
            ("first", Linear(6, 8)), ("a", a), ("b", b), ("c", Linear(8, 7)), ("last", Linear(7, 5)));
    }, 4, 6);

    /// <summary>A layer that is called on the outputs of two others.</summary>
    public static ZooModel CalledTwice { get; } = ZooModel.Of("called-twice", () => new Net(
        (n, x) =>
        {
            var left = F.relu(n.Call("shared", F.relu(n.Call("left", x))));
            var right = F.relu(n.Call("shared", F.relu(n.Call("right", x))));
            return n.Call("last", cat([left, right], 1));
        },
        ("left", Conv(3, 8)), ("right", Conv(3, 8)), ("shared", Conv(8, 6)), ("last", Conv(12, 5))), 2, 3, 8, 8);

    /// <summary>A layer that is called on its own output.</summary>
    public static ZooModel CalledOnItself { get; } = ZooModel.Of("called-on-itself", () => new Net(
        (n, x) => n.Call("last", F.relu(n.Call("again", F.relu(n.Call("again", F.relu(n.Call("first", x))))))),
        ("first", Conv(3, 8)), ("again", Conv(8, 8)), ("last", Conv(8, 5))), 2, 3, 8, 8);

    /// <summary>A layer of one channel cannot lose it.</summary>
    public static ZooModel SingleChannel { get; } = ZooModel.Of("single-channel", () => new Net(
        (n, x) => n.Call("last", F.relu(n.Call("wide", F.relu(n.Call("narrow", x))))),
        ("narrow", Conv(3, 1)), ("wide", Conv(1, 8)), ("last", Conv(8, 5))), 2, 3, 8, 8) with
    { Stays = [("narrow", "only output channel")] };

    /// <summary>A layer and a norm that are not trained any more.</summary>
    public static ZooModel Frozen { get; } = ZooModel.Of("frozen", () =>
    {
        var net = new Net(
            (n, x) => n.Call("last", F.relu(n.Call("norm", n.Call("first", x)))),
            ("first", Conv(3, 8)), ("norm", BatchNorm2d(8)), ("last", Conv(8, 5)));
        foreach (var parameter in net["first"].parameters().Concat(net["norm"].parameters())) parameter.requires_grad = false;
        return net;
    }, 2, 3, 8, 8);

    /// <summary>A layer that no forward calls.</summary>
    public static ZooModel Unused { get; } = ZooModel.Of("unused", () => new Net(
        (n, x) => n.Call("last", F.relu(n.Call("first", x))),
        ("first", Conv(3, 8)), ("spare", Conv(8, 8)), ("last", Conv(8, 5))), 2, 3, 8, 8);

    /// <summary>A second head that only training calls.</summary>
    public static ZooModel TrainingBranch { get; } = ZooModel.Of("training-branch", () => new Net(
        (n, x) =>
        {
            var y = F.relu(n.Call("first", x));
            var main = n.Call("last", F.relu(n.Call("inner", y)));
            return n.training ? main + n.Call("auxiliary", y) : main;
        },
        ("first", Conv(3, 8)), ("inner", Conv(8, 6)), ("last", Conv(6, 5)), ("auxiliary", Conv(8, 5))), 2, 3, 8, 8);

    /// <summary>A part of the model that records no derivatives.</summary>
    public static ZooModel NoGradRegion { get; } = ZooModel.Of("no-grad-region", () => new Net(
        (n, x) =>
        {
            Tensor y;
            using (no_grad()) y = F.relu(n.Call("second", F.relu(n.Call("first", x)) * 2));
            return n.Call("last", F.relu(n.Call("third", y)));
        },
        ("first", Conv(3, 8)), ("second", Conv(8, 6)), ("third", Conv(6, 7)), ("last", Conv(7, 5))), 2, 3, 8, 8);

    /// <summary>Layers that a dictionary of the model's own holds, registered by hand.</summary>
    public static ZooModel InDictionary { get; } = ZooModel.Of("in-dictionary", () => new DictionaryNet(), 2, 3, 8, 8);

    /// <summary>Layers in TorchSharp's containers.</summary>
    public static ZooModel InContainers { get; } = ZooModel.Of("in-containers", () => new ContainerNet(), 2, 3, 8, 8);

    /// <summary>What is returned is used on the way as well.</summary>
    public static ZooModel OutputOnTheWay { get; } = new("output-on-the-way", () => new TwoAnswers(), model => ((TwoAnswers)model).call(Noise(2, 3, 8, 8))) { Stays = [("first", "return")] };

    internal static Tensor Noise(params long[] shape)
    {
        using var generator = new Generator(1, CPU);
        return randn(shape, dtype: float32, generator: generator);
    }

    private sealed class DictionaryNet : Module<Tensor, Tensor>
    {
        private readonly Dictionary<string, Module<Tensor, Tensor>> _layers = new() { ["a"] = Conv(3, 8), ["b"] = Conv(8, 6), ["c"] = Conv(6, 5) };

        public DictionaryNet()
            : base(nameof(DictionaryNet))
        {
            foreach (var (name, layer) in _layers) register_module($"layer_{name}", layer);
        }

        public override Tensor forward(Tensor x)
        {
            using var scope = NewDisposeScope();
            return _layers["c"].call(F.relu(_layers["b"].call(F.relu(_layers["a"].call(x))))).MoveToOuterDisposeScope();
        }
    }

    private sealed class ContainerNet : Module<Tensor, Tensor>
    {
        private readonly ModuleList<Module<Tensor, Tensor>> blocks = ModuleList<Module<Tensor, Tensor>>(Conv(3, 8), Conv(8, 6));
        private readonly ModuleDict<Module<Tensor, Tensor>> heads = ModuleDict<Module<Tensor, Tensor>>(("left", Conv(6, 7)), ("right", Conv(6, 7)));
        private readonly Conv2d last = Conv(7, 5);

        public ContainerNet()
            : base(nameof(ContainerNet)) => RegisterComponents();

        public override Tensor forward(Tensor x)
        {
            using var scope = NewDisposeScope();
            foreach (var block in blocks) x = F.relu(block.call(x));
            return last.call(F.relu(heads["left"].call(x) + heads["right"].call(x))).MoveToOuterDisposeScope();
        }
    }

    private sealed class TwoAnswers : Module<Tensor, (Tensor Features, Tensor Scores)>
    {
        private readonly Conv2d stem = Conv(3, 6);
        private readonly Conv2d first = Conv(6, 8);
        private readonly Conv2d last = Conv(8, 5);

        public TwoAnswers()
            : base(nameof(TwoAnswers)) => RegisterComponents();

        public override (Tensor Features, Tensor Scores) forward(Tensor x)
        {
            using var scope = NewDisposeScope();
            var features = F.relu(first.call(F.relu(stem.call(x))));
            return (features.MoveToOuterDisposeScope(), last.call(features).MoveToOuterDisposeScope());
        }
    }
}
