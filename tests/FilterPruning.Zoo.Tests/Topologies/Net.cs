using TorchSharp.Modules;
using static TorchSharp.torch.nn;

namespace FilterPruning.Zoo;

/// <summary>A net from named layers and a forward: enough for most topologies.</summary>
public sealed class Net : Module<Tensor, Tensor>
{
    private readonly Func<Net, Tensor, Tensor> _forward;
    private readonly Dictionary<string, Module<Tensor, Tensor>> _layers = [];

    public Net(Func<Net, Tensor, Tensor> forward, params (string Name, Module<Tensor, Tensor> Layer)[] layers)
        : base(nameof(Net))
    {
        _forward = forward;
        foreach (var (name, layer) in layers)
        {
            _layers[name] = layer;
            register_module(name, layer);
        }
    }

    /// <summary>A layer by its name.</summary>
    public Module<Tensor, Tensor> this[string name] => _layers[name];

    /// <summary>Calls a layer.</summary>
    public Tensor Call(string name, Tensor x) => _layers[name].call(x);

    /// <summary>Adds a parameter of the net's own, with seeded values between 0.5 and 1.5.</summary>
    public Net WithParameter(string name, params long[] shape)
    {
        register_parameter(name, new Parameter(rand(shape) + 0.5));
        return this;
    }

    /// <summary>Adds a buffer of the net's own, with seeded values between 0.5 and 1.5.</summary>
    public Net WithBuffer(string name, params long[] shape)
    {
        register_buffer(name, (rand(shape) + 0.5).DetachFromDisposeScope());
        return this;
    }

    public override Tensor forward(Tensor x)
    {
        using var scope = NewDisposeScope();
        return _forward(this, x).MoveToOuterDisposeScope();
    }

    /// <summary>A convolution that keeps height and width.</summary>
    public static Conv2d Conv(int inputs, int outputs, int kernel = 3, int groups = 1) => Conv2d(inputs, outputs, kernel, padding: kernel / 2, groups: groups);
}
