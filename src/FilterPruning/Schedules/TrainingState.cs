using System.Reflection;
using FilterPruning.Graph;
using FilterPruning.Layers;
using FilterPruning.Surgery;
using FilterPruning.Tracing;
using TorchSharp.Modules;

namespace FilterPruning.Schedules;

/// <summary>
/// Everything that training and cutting change, as copies: parameters, buffers, gradients, widths, training flags, and the running averages, counters and
/// settings of optimizers. Given back in place: modules, parameters and optimizers stay the same objects.
/// </summary>
internal sealed class TrainingState : IDisposable
{
    private readonly nn.Module _model;
    private readonly List<(Tensor Tensor, Tensor Value, Tensor? Gradient, bool RequiresGrad)> _tensors = [];
    private readonly IReadOnlyList<optim.Optimizer> _optimizers;
    private readonly List<ParameterState> _states = [];
    private readonly List<(object Owner, FieldInfo Field, object? Value)> _settings = [];
    private readonly List<(nn.Module Module, bool Training)> _flags;
    private readonly List<(nn.Module Module, LayerRule Rule, int Inputs, int Outputs)> _widths;

    public TrainingState(DependencyGraph graph, IReadOnlyList<optim.Optimizer> optimizers)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        _model = graph.Model;
        _flags = [.. ModelState.Modules(_model).Select(module => (module, module.training))];
        _widths = [.. graph.Layers.Select(layer => (layer.Module, layer.Rule, layer.Rule.InputChannels(layer.Module), layer.Rule.OutputChannels(layer.Module)))];
        _optimizers = optimizers;
        foreach (var (_, tensor) in Tensors())
            _tensors.Add((tensor, Copy(tensor), tensor.is_leaf && tensor.grad is { } gradient ? Copy(gradient) : null, tensor.requires_grad));
        foreach (var optimizer in optimizers.OfType<OptimizerHelper>().Distinct())
        {
            foreach (var (_, state) in OptimizerInternals.States(optimizer))
                _states.Add(new ParameterState(optimizer, state, null, ""));
            foreach (var settings in optimizer.state_dict().Options)
                RememberSettings(settings);
        }
    }

    /// <summary>Throws when a parameter or buffer is not the same object any more: its values could not be given back.</summary>
    public void ThrowIfReplaced()
    {
        var known = new HashSet<Tensor>(_tensors.Select(entry => entry.Tensor), ReferenceEqualityComparer.Instance);
        if (Tensors().FirstOrDefault(entry => !known.Contains(entry.Tensor)).Name is { } name)
        {
            throw new PruningException(
                $"The callback put another tensor in the place of '{name}', so that an earlier state cannot be given back. Change values in place, and move or convert the model before the run.");
        }
    }

    /// <summary>Gives everything its old value back, bit by bit. May be called again.</summary>
    public void Restore()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        // Layers whose native side fixes their widths first; their parameters then have the shapes that the values need.
        foreach (var (module, rule, inputs, outputs) in _widths.Where(entry => entry.Rule.IsExchanged))
        {
            if ((rule.InputChannels(module), rule.OutputChannels(module)) != (inputs, outputs))
                NativeExchange.Make(module, rule, inputs, outputs, _optimizers).Dispose();
        }

        foreach (var (tensor, value, gradient, requiresGrad) in _tensors.Where(entry => !entry.Tensor.IsInvalid))
        {
            if (tensor.is_leaf)
                tensor.grad = null;
            Assign(tensor, value);
            if (tensor.is_leaf && tensor.requires_grad != requiresGrad)
                tensor.requires_grad = requiresGrad;
            if (gradient is not null)
                tensor.grad = gradient.clone();
        }

        foreach (var (module, rule, inputs, outputs) in _widths)
            rule.SetWidths(module, inputs, outputs);
        _states.ForEach(state => state.Restore());
        foreach (var (owner, field, value) in _settings)
            field.SetValue(owner, value);
        // Parents first: train() goes down into the children.
        foreach (var (module, training) in _flags)
            module.train(training);
    }

    public void Dispose()
    {
        foreach (var (_, value, gradient, _) in _tensors)
        {
            value.Dispose();
            gradient?.Dispose();
        }

        _states.ForEach(state => state.Dispose());
        _tensors.Clear();
        _states.Clear();
    }

    private IEnumerable<(string Name, Tensor Tensor)> Tensors()
        => _model.named_parameters().Select(entry => (entry.name, (Tensor)entry.parameter)).Concat(_model.named_buffers().Select(entry => (entry.name, entry.buffer)))
            .Where(entry => entry.Item2 is { IsInvalid: false }).DistinctBy(entry => entry.Item2.Handle);

    /// <summary>Learning rates and the like: every number and flag that an optimizer keeps for a group of parameters.</summary>
    private void RememberSettings(object owner)
    {
        for (var type = owner.GetType(); type != typeof(object) && type is not null; type = type.BaseType)
        {
            foreach (var field in type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
            {
                if (field.FieldType.IsValueType && !field.IsInitOnly)
                    _settings.Add((owner, field, field.GetValue(owner)));
            }
        }
    }

    private static void Assign(Tensor tensor, Tensor value)
    {
        // Where only values changed, other views of the same storage follow.
        if (tensor.shape.SequenceEqual(value.shape) && tensor.dtype == value.dtype)
            tensor.copy_(value);
        else
            Snapshot.Exchange(tensor, value.clone());
    }

    private static Tensor Copy(Tensor tensor) => tensor.detach().clone().DetachFromDisposeScope();
}
