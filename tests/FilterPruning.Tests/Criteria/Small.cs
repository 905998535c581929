using FilterPruning.Criteria;
using FilterPruning.Graph;
using TorchSharp.Modules;
using static TorchSharp.torch.nn;
using F = TorchSharp.torch.nn.functional;
using Net = FilterPruning.Tests.Tracing.Net;

namespace FilterPruning.Tests.Criteria;

/// <summary>Small nets whose scores can be worked out.</summary>
internal static class Small
{
    /// <summary>Two layers without biases around a ReLU: the answer is Σ v_c · relu(w_c · x).</summary>
    public static Net TwoLayers(double[][] hidden, double[] output)
    {
        var net = new Net(
            (n, x) => n.Call("output", F.relu(n.Call("hidden", x))),
            ("hidden", Linear(hidden[0].Length, hidden.Length, hasBias: false, dtype: float64)), ("output", Linear(hidden.Length, 1, hasBias: false, dtype: float64)));
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        ((Linear)net["hidden"]).weight.copy_(stack(hidden.Select(row => tensor(row, dtype: float64))));
        ((Linear)net["output"]).weight.copy_(tensor(output, dtype: float64).unsqueeze(0));
        return net;
    }

    /// <summary>A residual block with norms, double precision: every kind of group, and filters that share one.</summary>
    public static Net Residual()
    {
        manual_seed(5);
        var net = new Net(
            (n, x) =>
            {
                var a = F.relu(n.Call("norm1", n.Call("first", x)));
                var b = F.relu(n.Call("norm3", n.Call("widen", n.Call("norm2", n.Call("inner", a)) + a)));
                return n.Call("last", b.mean([2, 3]));
            },
            ("first", Conv2d(3, 6, 3, padding: 1)), ("norm1", BatchNorm2d(6)), ("inner", Conv2d(6, 6, 3, padding: 1)), ("norm2", BatchNorm2d(6)),
            ("widen", Conv2d(6, 8, 1)), ("norm3", BatchNorm2d(8)), ("last", Linear(8, 4)));
        using var noGrad = no_grad();
        foreach (var norm in new[] { "norm1", "norm2", "norm3" })
        {
            using var scope = NewDisposeScope();
            init.uniform_(((BatchNorm2d)net[norm]).weight, -1, 1.5);
            init.uniform_(((BatchNorm2d)net[norm]).running_mean, -0.3, 0.3);
        }
        net.to(float64);
        net.eval();
        return net;
    }

    public static Tensor Picture(int index, int count = 1)
    {
        using var generator = new Generator((ulong)(100 + index), CPU);
        return randn(count, 3, 5, 5, dtype: float64, generator: generator);
    }

    public static DependencyGraph Graph(Net net, params long[] shape)
    {
        using var generator = new Generator(1, CPU);
        return DependencyGraph.Trace(net, rand(shape, dtype: float64, generator: generator));
    }

    /// <summary>Three batches of pictures with classes and the cross entropy.</summary>
    public static ICalibrationBatches Labelled(Net net, int batches = 3) =>
        CalibrationBatches.WithLoss(net, Enumerable.Range(0, batches).Select(i => (Picture(i, 2), tensor(new long[] { i % 4, 2 }))), (answer, target) => F.cross_entropy(answer, target));
}
