namespace FilterPruning.Tests.Surgery;

/// <summary>Everything about a model that a call which fails or is undone must leave as it was: names and order, values, gradients, objects and flags.</summary>
internal sealed class State
{
    private readonly List<(string Name, Tensor Tensor, IntPtr Handle, Tensor Value, Tensor? Gradient, bool RequiresGrad)> _tensors;
    private readonly List<(string Name, nn.Module Module, bool Training)> _modules;

    private State(nn.Module model)
    {
        _tensors = [.. Tensors(model).Select(entry => (
            entry.Name, entry.Tensor, entry.Tensor.Handle, entry.Tensor.detach().clone(), entry.Tensor.grad?.clone(), entry.Tensor.requires_grad))];
        _modules = Modules(model);
    }

    public static State Of(nn.Module model) => new(model);

    public void WriteTo(nn.Module model)
    {
        using var noGrad = no_grad();
        foreach (var (tensor, then) in Tensors(model).Zip(_tensors))
        {
            tensor.Tensor.copy_(then.Value);
            tensor.Tensor.grad = then.Gradient?.clone();
        }
    }

    /// <summary>A copy of a parameter or buffer as it was.</summary>
    public Tensor ValueOf(string name) => _tensors.Single(entry => entry.Name == name).Value;

    /// <summary>How many elements a parameter had.</summary>
    public long SizeOf(Tensor tensor) => _tensors.Single(entry => ReferenceEquals(entry.Tensor, tensor)).Value.numel();

    public void AssertSame(nn.Module model)
    {
        Assert.Equal(_modules, Modules(model));
        var now = Tensors(model);
        Assert.Equal(_tensors.Select(entry => entry.Name), now.Select(entry => entry.Name));
        foreach (var (then, (name, tensor)) in _tensors.Zip(now))
        {
            Assert.Same(then.Tensor, tensor);
            Assert.Equal(then.Handle, tensor.Handle);
            Assert.Equal(then.RequiresGrad, tensor.requires_grad);
            Assert.Equal(then.Value.dtype, tensor.dtype);
            AssertBits(name, then.Value, tensor);
            Assert.Equal(then.Gradient is null, tensor.grad is null);
            if (then.Gradient is not null)
                AssertBits($"gradient of {name}", then.Gradient, tensor.grad!);
        }
    }

    private static void AssertBits(string name, Tensor expected, Tensor actual)
        => Assert.True(expected.shape.SequenceEqual(actual.shape) && expected.equal(actual).all().item<bool>(), name);

    private static List<(string Name, Tensor Tensor)> Tensors(nn.Module model)
        => [.. model.named_parameters().Select(entry => (entry.name, (Tensor)entry.parameter)), .. model.named_buffers().Select(entry => (entry.name, entry.buffer))];

    private static List<(string Name, nn.Module Module, bool Training)> Modules(nn.Module model)
        => [("", model, model.training), .. model.named_modules().Select(entry => (entry.name, entry.module, entry.module.training))];
}
