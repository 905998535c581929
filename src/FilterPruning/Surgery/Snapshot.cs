using FilterPruning.Layers;

namespace FilterPruning.Surgery;

/// <summary>
/// A model, and what optimizers keep for it, as they were. Of tensors that shrink it holds the old storages themselves, not copies: a cut gives each
/// tensor a new storage and leaves the old one untouched. The others are copied, so that the way back is exact even after training went on. Where the way back
/// need not outlast training, nothing is copied but buffers, and a tensor may be held as what it lost.
/// </summary>
internal sealed class Snapshot : IDisposable
{
    private readonly List<(Tensor Tensor, Tensor? Value, Tensor? Gradient)> _tensors = [];
    private readonly Dictionary<Tensor, RemovedParts> _parts = new(ReferenceEqualityComparer.Instance);
    private readonly List<(Tensor Tensor, Tensor Value, Tensor? Gradient)> _untouched = [];
    private readonly List<(nn.Module Module, LayerRule Rule, int Inputs, int Outputs)> _widths = [];
    private readonly List<NativeExchange> _exchanges = [];
    private OptimizerMoments _moments = OptimizerMoments.None;
    private List<(string Name, Tensor Tensor, long[] Shape)> _after = [];
    private nn.Module? _model;

    /// <summary>The model, where this was taken of one.</summary>
    public nn.Module Model => _model ?? throw new InvalidOperationException("This was taken of tensors, not of a model.");

    /// <summary>Remembers everything that a cut, or training after it, may change.</summary>
    /// <param name="model">The model.</param>
    /// <param name="cuts">The cut of each layer.</param>
    /// <param name="moments">What optimizers keep; owned by the snapshot from now on.</param>
    /// <param name="outlastsTraining">Whether the way back must stay open after training went on; otherwise parameters that no cut touches are not copied.</param>
    public static Snapshot Take(nn.Module model, IReadOnlyList<LayerCut> cuts, OptimizerMoments moments, bool outlastsTraining)
    {
        var snapshot = new Snapshot { _moments = moments, _model = model };
        var known = new HashSet<IntPtr>();
        foreach (var cut in cuts.Where(cut => cut.Changes))
        {
            foreach (var tensor in cut.Tensors.Where(tensor => known.Add(tensor.Tensor.Handle)))
                snapshot.Remember(tensor.Tensor);
            snapshot._widths.Add((cut.Layer.Module, cut.Layer.Rule, cut.Layer.InputChannels, cut.Layer.OutputChannels));
        }

        foreach (var (_, tensor) in TensorsOf(model).Where(entry => known.Add(entry.Tensor.Handle) && (outlastsTraining || entry.Tensor is not TorchSharp.Modules.Parameter)))
            snapshot._untouched.Add((tensor, Copy(tensor), tensor.is_leaf ? tensor.grad is { } gradient ? Copy(gradient) : null : null));
        return snapshot;
    }

    /// <summary>Remembers a tensor's storage and gradient.</summary>
    public void Remember(Tensor tensor)
        => _tensors.Add((tensor, tensor.detach().DetachFromDisposeScope(), tensor.is_leaf ? tensor.grad?.DetachFromDisposeScope() : null));

    /// <summary>Narrows a remembered tensor; from now on it is remembered by what it lost, and its old storage is let go.</summary>
    public void Narrow(TensorCut cut)
    {
        var at = _tensors.FindIndex(entry => ReferenceEquals(entry.Tensor, cut.Tensor));
        _tensors[at].Value!.Dispose();
        _tensors[at] = _tensors[at] with { Value = null };
        var parts = _parts[cut.Tensor] = new RemovedParts();
        parts.Narrow(cut);
    }

    /// <summary>Remembers a native layer's exchange; this owns it from now on.</summary>
    public void Remember(NativeExchange exchange) => _exchanges.Add(exchange);

    /// <summary>Remembers a layer's widths.</summary>
    public void Remember(nn.Module module, LayerRule rule) => _widths.Add((module, rule, rule.InputChannels(module), rule.OutputChannels(module)));

    /// <summary>Writes down the shapes that the cut left, to see later whether the way back is still open.</summary>
    public void Seal() => _after = [.. TensorsOf(_model!).Select(entry => (entry.Name, entry.Tensor, entry.Tensor.shape))];

    /// <summary>The name of a tensor that another cut has changed since, or that was exchanged for another; null when the way back is open.</summary>
    public string? ChangedSince()
    {
        var now = TensorsOf(_model!).ToDictionary(entry => entry.Name, entry => entry.Tensor, StringComparer.Ordinal);
        return _after
            .Where(then => !now.TryGetValue(then.Name, out var tensor) || !ReferenceEquals(tensor, then.Tensor) || !tensor.shape.SequenceEqual(then.Shape))
            .Select(then => then.Name).FirstOrDefault();
    }

    /// <summary>Gives every tensor its old storage and gradient, every layer its old widths, and optimizers what they kept.</summary>
    public void Restore()
    {
        foreach (var exchange in Enumerable.Reverse(_exchanges))
            exchange.TakeBack();
        RestoreValues();
        using var noGrad = no_grad();
        foreach (var (tensor, value, gradient) in _untouched)
        {
            tensor.copy_(value);
            if (gradient is null)
                ClearGradient(tensor);
            else if (tensor.grad is { } present)
                present.copy_(gradient);
            else
                tensor.grad = gradient;
        }

        foreach (var (tensor, _, gradient) in _tensors)
        {
            if (gradient is not null)
                tensor.grad = gradient;
        }

        _moments.Restore();
        foreach (var (module, rule, inputs, outputs) in _widths)
            rule.SetWidths(module, inputs, outputs);
    }

    /// <summary>Gives every tensor that shrinks its old storage, where neither widths nor gradients changed.</summary>
    public void RestoreValues()
    {
        using var noGrad = no_grad();
        for (var at = 0; at < _tensors.Count; at++)
        {
            var (tensor, value, gradient) = _tensors[at];
            if (value is null)
            {
                value = _parts[tensor].Join(tensor).DetachFromDisposeScope();
                _tensors[at] = (tensor, value, gradient);
            }

            // A gradient of another shape than its tensor is refused.
            if (gradient is null || !tensor.shape.SequenceEqual(value.shape))
                ClearGradient(tensor);
            tensor.set_(value);
        }
    }

    /// <summary>Gives every buffer outside the cut its old values: some models write into one at each forward, also in evaluation mode.</summary>
    public void RestoreBuffers()
    {
        using var noGrad = no_grad();
        foreach (var (tensor, value, _) in _untouched.Where(entry => entry.Tensor is not TorchSharp.Modules.Parameter))
            tensor.copy_(value);
    }

    public void Dispose()
    {
        foreach (var (_, value, gradient) in _tensors.Concat(_untouched.Select(entry => (entry.Tensor, (Tensor?)entry.Value, entry.Gradient))))
        {
            value?.Dispose();
            gradient?.Dispose();
        }

        foreach (var parts in _parts.Values)
            parts.Dispose();
        _parts.Clear();

        foreach (var exchange in _exchanges)
            exchange.Dispose();
        _exchanges.Clear();
        _tensors.Clear();
        _untouched.Clear();
        _moments.Dispose();
        _widths.Clear();
        _after.Clear();
    }

    /// <summary>Gives a tensor another storage, shape included; the tensor itself stays the same object for modules and optimizers.</summary>
    public static void Exchange(Tensor tensor, Tensor value)
    {
        using var noGrad = no_grad();
        ClearGradient(tensor);
        tensor.set_(value);
    }

    private static void ClearGradient(Tensor tensor)
    {
        if (tensor.is_leaf && tensor.requires_grad)
            tensor.grad = null;
    }

    private static Tensor Copy(Tensor tensor)
    {
        using var alias = tensor.detach();
        return alias.clone().DetachFromDisposeScope();
    }

    private static IEnumerable<(string Name, Tensor Tensor)> TensorsOf(nn.Module model)
        => model.named_parameters().Select(entry => (entry.name, (Tensor)entry.parameter))
            .Concat(model.named_buffers().Select(entry => (entry.name, entry.buffer)))
            .Where(entry => entry.Item2 is { IsInvalid: false }).DistinctBy(entry => entry.Item1);
}
