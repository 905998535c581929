using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace FilterPruning.Zoo;

/// <summary>Copies of everything a model holds (parameters, buffers, gradients, flags), to compare the model with later. The copies belong to the caller's scope.</summary>
internal sealed class ModelValues
{
    private readonly Dictionary<string, Tensor> _state;
    private readonly Dictionary<string, (bool RequiresGradient, Tensor? Gradient)> _parameters;
    private readonly List<(string Name, bool Training)> _modes;

    private ModelValues(nn.Module model)
    {
        _state = model.state_dict().ToDictionary(entry => entry.Key, entry => entry.Value.detach().clone());
        _parameters = Parameters(model).ToDictionary(pair => pair.Name, pair => (pair.Parameter.requires_grad, pair.Parameter.grad?.detach().clone()));
        _modes = Modes(model);
    }

    public static ModelValues Of(nn.Module model) => new(model);

    /// <summary>The shape each tensor had.</summary>
    public IReadOnlyDictionary<string, long[]> Shapes => _state.ToDictionary(entry => entry.Key, entry => entry.Value.shape);

    /// <summary>Compares parameters and buffers bit by bit, and which parameters are frozen.</summary>
    public void ThrowUnlessSame(nn.Module model)
    {
        var now = model.state_dict();
        ZooFailureException.Unless(now.Keys.SequenceEqual(_state.Keys), "the state dict has other keys");
        foreach (var (name, value) in now)
        {
            ZooFailureException.Unless(value.shape.SequenceEqual(_state[name].shape), $"'{name}' was [{string.Join(", ", _state[name].shape)}] and is [{string.Join(", ", value.shape)}]");
            ZooFailureException.Unless(SameBits(value, _state[name]), $"'{name}' has other values");
        }

        ThrowUnlessSameFrozen(model);
    }

    /// <summary>Compares which parameters are frozen.</summary>
    public void ThrowUnlessSameFrozen(nn.Module model)
    {
        foreach (var (name, parameter) in Parameters(model))
            ZooFailureException.Unless(parameter.requires_grad == _parameters[name].RequiresGradient, $"'{name}' is {(parameter.requires_grad ? "no longer" : "now")} frozen");
    }

    /// <summary>Compares gradients and training flags.</summary>
    public void ThrowUnlessSameSurroundings(nn.Module model)
    {
        foreach (var (name, parameter) in Parameters(model))
        {
            var (old, now) = (_parameters[name].Gradient, parameter.grad);
            ZooFailureException.Unless((old is null) == (now is null) && (old is null || SameBits(old, now!)), $"'{name}' has another gradient");
        }

        foreach (var ((name, old), (_, now)) in _modes.Zip(Modes(model)))
            ZooFailureException.Unless(old == now, $"module '{name}' is {(now ? "in training" : "in evaluation")} mode now");
    }

    /// <summary>Gives values back to all tensors that have the shape they had.</summary>
    /// <param name="model">The model.</param>
    /// <param name="except">Tensors to leave alone.</param>
    public void Restore(nn.Module model, Func<string, bool> except)
    {
        using var guard = no_grad();
        foreach (var (name, value) in model.state_dict())
            if (!except(name)) value.copy_(_state[name]);
        foreach (var (_, parameter) in Parameters(model)) parameter.grad = null;
    }

    /// <summary>Where a tensor's values lie: one address for all who share them. (Some of TorchSharp's layers make a new handle whenever they are asked for their weight.)</summary>
    public static unsafe nint Address(Tensor tensor) => (nint)Unsafe.AsPointer(ref MemoryMarshal.GetReference(tensor.bytes));

    public static bool SameBits(Tensor a, Tensor b)
    {
        if (a.dtype != b.dtype || !a.shape.SequenceEqual(b.shape)) return false;
        if (a.numel() == 0) return true;
        using var scope = NewDisposeScope();
        return a.detach().cpu().contiguous().bytes.SequenceEqual(b.detach().cpu().contiguous().bytes);
    }

    public static IEnumerable<(string Name, TorchSharp.Modules.Parameter Parameter)> Parameters(nn.Module model) =>
        model.named_parameters().DistinctBy(pair => pair.name).Select(pair => (pair.name, pair.parameter));

    private static List<(string, bool)> Modes(nn.Module model) => [("", model.training), .. model.named_modules().Select(pair => (pair.name, pair.module.training))];
}
