using FilterPruning.Graph;
using FilterPruning.Planning;
using TorchSharp.Modules;

namespace FilterPruning.Tests.Recovery;

/// <summary>A small model with a graph and a plan, and what the repairs' tests ask of it.</summary>
internal sealed class RepairCase
{
    private RepairCase(nn.Module<Tensor, Tensor> model, double ratio, params string[] ignore)
    {
        Model = model;
        model.eval();
        Graph = DependencyGraph.Trace(model, Noise(99));
        Plan = PruningPlanner.CreatePlan(Graph, new PruningOptions { Ratio = ratio, Ignore = ignore });
    }

    public nn.Module<Tensor, Tensor> Model { get; }

    public DependencyGraph Graph { get; }

    public PruningPlan Plan { get; }

    /// <summary>A first layer whose filters that go are constants.</summary>
    public static RepairCase Constants(string kind)
    {
        var net = new TwinNet(kind);
        using (no_grad())
        {
            foreach (var channel in kind == "grouped" ? [4, 5, 6, 7, 12, 13, 14, 15] : Enumerable.Range(8, 8))
            {
                net.First.weight!.select(0, channel).zero_();
                net.First.bias!.select(0, channel).fill_(channel / 4.0);
            }
        }

        return new RepairCase(net, 0.5, "second:outputs");
    }

    /// <summary>A first layer whose filters that go are 0.4 times others.</summary>
    public static RepairCase Twins(string kind) => new(new TwinNet(kind), 0.5, "second:outputs");

    /// <summary>Three convolutions with padding and biases.</summary>
    public static RepairCase Chain() => new(Filled(nn.Sequential(
        ("a", nn.Conv2d(3, 24, 3, padding: 1)), ("ra", nn.ReLU()),
        ("b", nn.Conv2d(24, 24, 3, padding: 1)), ("rb", nn.ReLU()),
        ("c", nn.Conv2d(24, 5, 1)))), 0.5);

    /// <summary>Convolutions without biases, each with a norm, and a classifier.</summary>
    public static RepairCase Norms() => new(Filled(nn.Sequential(
        ("a", nn.Conv2d(3, 16, 3, padding: 1, bias: false)), ("na", nn.BatchNorm2d(16)), ("ra", nn.ReLU()),
        ("b", nn.Conv2d(16, 16, 3, bias: false)), ("nb", nn.BatchNorm2d(16)), ("rb", nn.ReLU()),
        ("c", nn.Conv2d(16, 5, 1)), ("nc", nn.BatchNorm2d(5)))), 0.5);

    /// <summary>float32 <c>[4, 3, 8, 8]</c>; the caller's.</summary>
    public static Tensor Noise(int seed, int batch = 4)
    {
        using var generator = new Generator((ulong)seed);
        return randn([batch, 3, 8, 8], generator: generator);
    }

    public static Tensor[] Inputs(int count = 6) => [.. Enumerable.Range(0, count).Select(seed => Noise(seed))];

    public Tensor Output(Tensor input)
    {
        using var noGrad = no_grad();
        return Model.call(input);
    }

    public double RelativeError(Tensor input, Tensor dense) => (Output(input) - dense).abs().max().item<float>() / dense.abs().max().item<float>();

    public IReadOnlyDictionary<string, Tensor> State() => Model.state_dict().ToDictionary(entry => entry.Key, entry => entry.Value.detach().clone());

    public void AssertIs(IReadOnlyDictionary<string, Tensor> before)
    {
        foreach (var (name, value) in Model.state_dict())
            Assert.True(value.equal(before[name]).all().item<bool>(), name);
    }

    private static Sequential Filled(Sequential net)
    {
        using var generator = new Generator(7);
        using var noGrad = no_grad();
        foreach (var (name, parameter) in net.named_parameters())
            parameter.copy_((randn(parameter.shape, generator: generator) * 0.3) + (name.StartsWith('n') && name.EndsWith("weight", StringComparison.Ordinal) ? 1 : 0));
        return net;
    }
}

/// <summary>Cancels as soon as something has been done.</summary>
internal sealed class CancelAtOnce<T>(CancellationTokenSource cancellation) : IProgress<T>
{
    public void Report(T value) => cancellation.Cancel();
}
