using System.Globalization;
using TorchSharp.Modules;
using static FilterPruning.Zoo.Net;
using static TorchSharp.torch.nn;
using F = TorchSharp.torch.nn.functional;

namespace FilterPruning.Zoo;

/// <summary>Nets of random steps, each of a kind that networks have; all kinds couple channels in their own way, and here they follow one another as it comes.</summary>
internal sealed class RandomNets
{
    private readonly Random _random;
    private readonly List<(string, Module<Tensor, Tensor>)> _layers = [];
    private readonly List<Func<Net, Tensor, Tensor>> _steps = [];
    private readonly List<string> _story = [];
    private readonly List<(string Name, long[] Shape)> _parameters = [];
    private int _width;

    private RandomNets(int seed) => _random = new Random(seed);

    /// <summary>The net of a seed, as a model of the zoo whose name tells its steps.</summary>
    public static ZooModel Of(int seed)
    {
        var story = Write(seed)._story;
        return ZooModel.Of(string.Create(CultureInfo.InvariantCulture, $"random {seed} ({string.Join(", ", story)})"), () => Write(seed).Build(), 2, 3, 8, 8);
    }

    private static RandomNets Write(int seed)
    {
        var net = new RandomNets(seed);
        net._width = 4 * net._random.Next(1, 4);
        net.Add("first", Conv(3, net._width));
        net._steps.Add((n, x) => F.relu(n.Call("first", x)));
        for (var step = net._random.Next(2, 6); step > 0; step--) net.AddStep();
        net.Add("inner", Conv(net._width, 6));
        net.Add("last", Conv(6, 5));
        net._steps.Add((n, x) => n.Call("last", F.relu(n.Call("inner", x))));
        return net;
    }

    private Net Build()
    {
        var steps = _steps.ToArray();
        var net = new Net((n, x) => steps.Aggregate(x, (value, step) => step(n, value)), [.. _layers]);
        foreach (var (name, shape) in _parameters) net.WithParameter(name, shape);
        return net;
    }

    private void AddStep()
    {
        var (name, width, even) = ($"layer{_story.Count}", _width, _width % 2 == 0);
        switch (_random.Next(18))
        {
            case 0:
                Say("plain", name, Conv(width, _width = 2 * _random.Next(2, 7)), (n, x) => F.relu(n.Call(name, x)));
                break;
            case 1:
                Say("residual", name, Conv(width, width), (n, x) => F.relu(n.Call(name, x) + x));
                break;
            case 2:
                var more = _random.Next(2, 6);
                _width += more;
                Say("dense", name, Conv(width, more), (n, x) => cat([x, F.relu(n.Call(name, x))], 1));
                break;
            case 3:
                Say("norm", name, BatchNorm2d(width), (n, x) => n.Call(name, x));
                break;
            case 4:
                Say("gate", name, Conv(width, width, 1), (n, x) => x * sigmoid(n.Call(name, x.mean([2, 3], true))));
                break;
            case 5:
                Say("depthwise", name, Conv(width, width, groups: width), (n, x) => F.relu(n.Call(name, x)));
                break;
            case 6 when even:
                Say("grouped", name, Conv(width, _width = 2 * _random.Next(2, 6), groups: 2), (n, x) => F.relu(n.Call(name, x)));
                break;
            case 7 when even:
                Say("shuffle", (_, x) => x.view(x.shape[0], 2, x.shape[1] / 2, x.shape[2], x.shape[3]).transpose(1, 2).reshape(x.shape));
                break;
            case 8 when even:
                _width /= 2;
                Say("half-gates", (_, x) => F.glu(x, 1));
                break;
            case 9 when even:
                Say("swap-halves", (_, x) => cat([x.chunk(2, 1)[1], x.chunk(2, 1)[0]], 1));
                break;
            case 10:
                _width *= 2;
                Say("twice", (_, x) => cat([x, -x], 1));
                break;
            case 11:
                Add(name + "b", Conv(width, _width = 2 * _random.Next(2, 5)));
                Say("two-branches", name, Conv(width, _width), (n, x) => F.relu(n.Call(name, x)) + F.relu(n.Call(name + "b", x)));
                break;
            case 12:
                _parameters.Add((name + "_gamma", [width, 1, 1]));
                Say("scale", (n, x) => x * n.get_parameter(name + "_gamma")!);
                break;
            case 13:
                Say("map", name, Conv(width, 1), (n, x) => x + n.Call(name, x));
                break;
            case 14:
                Say("up-and-down", name, ConvTranspose2d(width, _width = 2 * _random.Next(2, 5), 2, stride: 2), (n, x) => F.relu(n.Call(name, F.avg_pool2d(x, 2))));
                break;
            case 15 when even:
                var half = width / 2;
                Say("half-branch", name, Conv(half, half), (n, x) => cat([x.chunk(2, 1)[0], F.relu(n.Call(name, x.chunk(2, 1)[1]))], 1));
                break;
            case 16:
                Say("called-on-itself", name, Conv(width, width), (n, x) => F.relu(n.Call(name, F.relu(n.Call(name, x)))));
                break;
            case 17:
                Say("pad-shortcut", name, Conv(width, _width = width + 2), (n, x) => Padded(F.relu(n.Call(name, x)), x));
                break;
            default:
                AddStep();
                break;
        }
    }

    private static Tensor Padded(Tensor wide, Tensor narrow) => wide + F.pad(narrow, [0, 0, 0, 0, 0, wide.shape[1] - narrow.shape[1]]);

    private void Add(string name, Module<Tensor, Tensor> layer) => _layers.Add((name, layer));

    private void Say(string kind, string name, Module<Tensor, Tensor> layer, Func<Net, Tensor, Tensor> step)
    {
        Add(name, layer);
        Say(kind, step);
    }

    private void Say(string kind, Func<Net, Tensor, Tensor> step)
    {
        _story.Add(kind);
        _steps.Add(step);
    }
}
