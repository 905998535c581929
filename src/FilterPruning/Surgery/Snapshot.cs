using FilterPruning.Layers;

namespace FilterPruning.Surgery;

/// <summary>
/// The tensors and widths of layers as they were. Holds the old storages themselves, not copies: a cut gives each tensor a new storage and
/// leaves the old one untouched.
/// </summary>
internal sealed class Snapshot : IDisposable
{
    private readonly List<(Tensor Tensor, Tensor Value, Tensor? Gradient)> _tensors = [];
    private readonly List<(Moment Moment, Tensor Value)> _moments = [];
    private readonly List<(nn.Module Module, LayerRule Rule, int Inputs, int Outputs)> _widths = [];
    private readonly List<NativeExchange> _exchanges = [];

    /// <summary>Remembers every tensor that the cut touches.</summary>
    public static Snapshot Take(IEnumerable<LayerCut> cuts, IEnumerable<Moment> moments)
    {
        var snapshot = new Snapshot();
        foreach (var moment in moments)
            snapshot._moments.Add((moment, moment.Cut.Tensor.detach().DetachFromDisposeScope()));
        foreach (var cut in cuts.Where(cut => cut.Changes))
        {
            foreach (var tensor in cut.Tensors)
                snapshot.Remember(tensor.Tensor);
            snapshot._widths.Add((cut.Layer.Module, cut.Layer.Rule, cut.Layer.InputChannels, cut.Layer.OutputChannels));
        }

        return snapshot;
    }

    /// <summary>Remembers a tensor's storage and gradient.</summary>
    public void Remember(Tensor tensor)
        => _tensors.Add((tensor, tensor.detach().DetachFromDisposeScope(), tensor.is_leaf ? tensor.grad?.DetachFromDisposeScope() : null));

    /// <summary>Remembers a native layer's exchange; this owns it from now on.</summary>
    public void Remember(NativeExchange exchange) => _exchanges.Add(exchange);

    /// <summary>Remembers a layer's widths.</summary>
    public void Remember(nn.Module module, LayerRule rule) => _widths.Add((module, rule, rule.InputChannels(module), rule.OutputChannels(module)));

    /// <summary>Gives every tensor its old storage and gradient and every layer its old widths.</summary>
    public void Restore()
    {
        foreach (var exchange in Enumerable.Reverse(_exchanges))
            exchange.TakeBack();
        RestoreValues();
        foreach (var (tensor, _, gradient) in _tensors)
        {
            if (gradient is not null)
                tensor.grad = gradient;
        }

        foreach (var (moment, value) in _moments)
        {
            if (moment.Current is { } current)
                Exchange(current, value);
        }

        foreach (var (module, rule, inputs, outputs) in _widths)
            rule.SetWidths(module, inputs, outputs);
    }

    /// <summary>Gives every tensor its old storage, where neither widths nor gradients changed.</summary>
    public void RestoreValues()
    {
        using var noGrad = no_grad();
        foreach (var (tensor, value, gradient) in _tensors)
        {
            // A gradient of another shape than its tensor is refused.
            if (gradient is null || !tensor.shape.SequenceEqual(value.shape))
                ClearGradient(tensor);
            tensor.set_(value);
        }
    }

    public void Dispose()
    {
        foreach (var (_, value, gradient) in _tensors)
        {
            value.Dispose();
            gradient?.Dispose();
        }

        foreach (var (_, value) in _moments)
            value.Dispose();
        foreach (var exchange in _exchanges)
            exchange.Dispose();
        _exchanges.Clear();
        _tensors.Clear();
        _moments.Clear();
        _widths.Clear();
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
}
