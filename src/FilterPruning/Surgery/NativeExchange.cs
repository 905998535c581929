using FilterPruning.Layers;
using TorchSharp.Modules;

namespace FilterPruning.Surgery;

/// <summary>
/// A native layer that was given other widths: its native side, and those of its parameters, were exchanged with those of a fresh module. The fresh module's managed side now holds the old
/// native side, so that exchanging again takes everything back.
/// </summary>
internal sealed class NativeExchange : IDisposable
{
    private readonly nn.Module _module;
    private readonly nn.Module _other;
    private readonly IReadOnlyList<optim.Optimizer> _optimizers;

    private NativeExchange(nn.Module module, nn.Module other, IReadOnlyList<optim.Optimizer> optimizers) => (_module, _other, _optimizers) = (module, other, optimizers);

    /// <summary>Gives a layer new widths. Its parameters have them afterwards, with arbitrary values.</summary>
    /// <param name="module">The layer.</param>
    /// <param name="rule">Its rule, which exchanges.</param>
    /// <param name="inputs">Input channels wanted.</param>
    /// <param name="outputs">Output channels wanted.</param>
    /// <param name="optimizers">Optimizers that may hold state for its parameters.</param>
    public static NativeExchange Make(nn.Module module, LayerRule rule, int inputs, int outputs, IReadOnlyList<optim.Optimizer> optimizers)
    {
        using var scope = NewDisposeScope();
        var fresh = rule.Resized(module, inputs, outputs) ?? throw new PruningException($"The rule {rule.Kind} made no module of {inputs} -> {outputs} channels.");
        foreach (var (_, parameter) in fresh.named_parameters()) parameter.DetachFromDisposeScope();
        var flags = fresh.named_parameters(recurse: false).ToDictionary(entry => entry.name, entry => entry.parameter, StringComparer.Ordinal);
        foreach (var (name, parameter) in module.named_parameters(recurse: false)) flags[name].requires_grad = parameter.requires_grad;
        fresh.train(module.training);
        var exchange = new NativeExchange(module, fresh, optimizers);
        exchange.Exchange();
        return exchange;
    }

    /// <summary>Gives the layer its old native side back.</summary>
    public void TakeBack()
    {
        _other.train(_module.training);
        Exchange();
    }

    /// <summary>Lets go of the other native side.</summary>
    public void Dispose() => _other.Dispose();

    private void Exchange()
    {
        var before = _module.named_parameters(recurse: false).Select(entry => (entry.parameter, entry.parameter.Handle)).ToList();
        NativeState.Exchange(_module, _other);
        // Optimizers know a parameter's state by its handle.
        foreach (var optimizer in _optimizers.OfType<OptimizerHelper>().Distinct())
            foreach (var (parameter, handle) in before) OptimizerInternals.Rekey(optimizer, handle, parameter.Handle);
    }
}
