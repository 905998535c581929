using TorchSharp.Modules;
using static FilterPruning.Zoo.Net;
using static TorchSharp.torch.nn;
using F = TorchSharp.torch.nn.functional;

namespace FilterPruning.Zoo;

/// <summary>Parameters and buffers that belong to no layer.</summary>
public static class ParameterZoo
{
    /// <summary>A learned factor for each channel.</summary>
    public static ZooModel BareScale { get; } = ZooModel.Of("bare-scale", () => new Net(
        (n, x) => n.Call("last", F.relu(n.Call("inner", F.relu(n.Call("first", x)) * n.get_parameter("gamma")!))),
        ("first", Conv(3, 8)), ("inner", Conv(8, 6)), ("last", Conv(6, 5))).WithParameter("gamma", 8, 1, 1), 2, 3, 8, 8);

    /// <summary>A learned vector for each place of a sequence.</summary>
    public static ZooModel PositionEmbedding { get; } = ZooModel.Of("position-embedding", () => new Net(
        (n, x) =>
        {
            var tokens = n.Call("embed", x) + n.get_parameter("position")!;
            return n.Call("last", tokens + n.Call("down", F.relu(n.Call("up", tokens))));
        },
        ("embed", Linear(6, 12)), ("up", Linear(12, 20)), ("down", Linear(20, 12)), ("last", Linear(12, 5))).WithParameter("position", 1, 7, 12), 2, 7, 6);

    /// <summary>A learned token in front of a sequence.</summary>
    public static ZooModel ClassToken { get; } = ZooModel.Of("class-token", () => new Net(
        (n, x) =>
        {
            var tokens = cat([n.get_parameter("token")!.expand(x.shape[0], 1, -1), n.Call("embed", x)], 1);
            tokens = tokens + n.Call("down", F.relu(n.Call("up", tokens.mean([1], true))));
            return n.Call("last", tokens[TensorIndex.Colon, TensorIndex.Single(0)]);
        },
        ("embed", Linear(6, 12)), ("up", Linear(12, 20)), ("down", Linear(20, 12)), ("last", Linear(12, 5))).WithParameter("token", 1, 1, 12), 2, 7, 6);

    /// <summary>A matrix that is no layer: what it reads and what it makes cannot shrink without it.</summary>
    public static ZooModel BareMatrix { get; } = ZooModel.Of("bare-matrix", () => new Net(
        (n, x) => n.Call("last", F.relu(F.relu(n.Call("first", F.relu(n.Call("stem", x)))).mm(n.get_parameter("matrix")!))),
        ("stem", Linear(6, 10)), ("first", Linear(10, 8)), ("last", Linear(7, 5))).WithParameter("matrix", 8, 7), 4, 6);

    /// <summary>A frozen norm as a module of one's own, without a rule.</summary>
    public static ZooModel OwnFrozenNorm { get; } = ZooModel.Of("own-frozen-norm", () => new Net(
        (n, x) => n.Call("last", F.relu(n.Call("inner", F.relu(n.Call("norm", n.Call("first", x)))))),
        ("first", Conv(3, 8)), ("norm", new FixedNorm(8)), ("inner", Conv(8, 6)), ("last", Conv(6, 5))), 2, 3, 8, 8);

    /// <summary>The rows of an embedding are also the weights of the last layer.</summary>
    public static ZooModel TiedEmbedding { get; } = new("tied-embedding", () => new LanguageModel(), model => ((LanguageModel)model).call(tensor(new long[] { 1, 4, 2, 8, 5, 7, 0, 9 }).view(2, 4)));

    private sealed class FixedNorm : Module<Tensor, Tensor>
    {
        public FixedNorm(long channels)
            : base(nameof(FixedNorm))
        {
            register_buffer("scale", (rand(channels) + 0.5).DetachFromDisposeScope());
            register_buffer("shift", (rand(channels) - 0.5).DetachFromDisposeScope());
        }

        public override Tensor forward(Tensor x)
        {
            using var scope = NewDisposeScope();
            return ((x * get_buffer("scale")!.view(1, -1, 1, 1)) + get_buffer("shift")!.view(1, -1, 1, 1)).MoveToOuterDisposeScope();
        }
    }

    private sealed class LanguageModel : Module<Tensor, Tensor>
    {
        private readonly Embedding embedding = Embedding(10, 8);
        private readonly Linear up = Linear(8, 12);
        private readonly Linear down = Linear(12, 8);
        private readonly Linear decoder = Linear(8, 10, hasBias: false);

        public LanguageModel()
            : base(nameof(LanguageModel))
        {
            decoder.weight = embedding.weight!;
            RegisterComponents();
        }

        public override Tensor forward(Tensor words)
        {
            using var scope = NewDisposeScope();
            return decoder.call(down.call(F.relu(up.call(embedding.call(words))))).MoveToOuterDisposeScope();
        }
    }
}
