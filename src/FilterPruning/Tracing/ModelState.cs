using FilterPruning.Layers;

namespace FilterPruning.Tracing;

/// <summary>
/// Puts a model into the state that tracing needs (evaluation mode, every weight open to derivatives) and back: training flags, buffers,
/// <c>requires_grad</c>, grad mode and torch's random state are as they were after <see cref="Dispose"/>.
/// </summary>
internal sealed class ModelState : IDisposable
{
    private const double FaintValue = 1e-2;

    private readonly List<(nn.Module Module, bool Training)> _modes;
    private readonly List<(Tensor Buffer, Tensor Copy)> _buffers;
    private readonly List<Tensor> _opened = [];
    private readonly List<(Tensor Owner, Tensor Gradient)> _gradients = [];
    private readonly Tensor _random;
    private readonly bool _gradEnabled;
    private readonly IDisposable _alone;

    /// <exception cref="InvalidOperationException">The model runs, or is changed, on another thread.</exception>
    public ModelState(nn.Module model)
    {
        _alone = ModelUse.Change(model, "a trace");
        _gradEnabled = is_grad_enabled();
        _random = get_rng_state().DetachFromDisposeScope();
        _modes = Modules(model).Select(module => (module, module.training)).ToList();
        _buffers = model.named_buffers().Select(pair => pair.Item2).Where(buffer => buffer is not null && !buffer.IsInvalid)
            .Select(buffer => (buffer, buffer.detach().clone().DetachFromDisposeScope())).ToList();
        model.eval();
    }

    /// <summary>Every module once, parents before children, the model itself first.</summary>
    public static IEnumerable<nn.Module> Modules(nn.Module model)
    {
        var seen = new HashSet<nn.Module>(ReferenceEqualityComparer.Instance);
        var stack = new Stack<nn.Module>([model]);
        while (stack.TryPop(out var module))
        {
            if (!seen.Add(module)) continue;
            yield return module;
            foreach (var child in module.children().Reverse()) stack.Push(child);
        }
    }

    /// <summary>Lets derivatives reach a tensor, frozen or not, until the state is restored; its own gradient is put aside.</summary>
    /// <returns>False for what can have no gradient.</returns>
    public bool Open(Tensor tensor)
    {
        if (!tensor.is_leaf || !tensor.is_floating_point()) return false;
        if (tensor.grad is { } gradient)
        {
            _gradients.Add((tensor, gradient.DetachFromDisposeScope()));
            tensor.grad = null;
        }
        if (!tensor.requires_grad)
        {
            tensor.requires_grad = true;
            _opened.Add(tensor);
        }
        return true;
    }

    /// <summary>Takes back that a tensor is open to derivatives.</summary>
    public void Close(Tensor tensor)
    {
        // By reference: tensors compare by value.
        if (_opened.RemoveAll(opened => ReferenceEquals(opened, tensor)) > 0) tensor.requires_grad = false;
    }

    /// <summary>Until the state is restored, gives random values to elements of an opened tensor that are next to zero and would hide what they scale (a layer scale before training).</summary>
    public void Enliven(Tensor tensor, int seed)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        var faint = tensor.abs().lt(FaintValue);
        if (!faint.any().item<bool>()) return;
        using var generator = new Generator((ulong)seed, CPU);
        _buffers.Add((tensor, tensor.detach().clone().DetachFromDisposeScope()));
        var values = rand(tensor.shape, dtype: float32, generator: generator).add_(0.5).to(tensor.dtype).to(tensor.device);
        tensor.copy_(where(faint, values, tensor));
    }

    public void Dispose()
    {
        foreach (var tensor in _opened) tensor.requires_grad = false;
        foreach (var (owner, gradient) in _gradients)
        {
            owner.grad = gradient;
            gradient.Dispose();
        }
        foreach (var (module, training) in _modes)
            if (module.training != training) module.train(training);
        using (no_grad())
        {
            foreach (var (buffer, copy) in _buffers)
            {
                // copy_ returns the buffer itself.
                if (!buffer.IsInvalid) buffer.copy_(copy);
                copy.Dispose();
            }
        }
        set_rng_state(_random);
        _random.Dispose();
        set_grad_enabled(_gradEnabled);
        _alone.Dispose();
    }
}
