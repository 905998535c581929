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
}
