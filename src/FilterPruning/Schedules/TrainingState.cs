using System.Reflection;
using FilterPruning.Graph;
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
    private readonly List<(object Owner, FieldInfo Field, object? Value)> _optimizers = [];
    private readonly List<(nn.Module Module, bool Training)> _flags;
    private readonly Snapshot _widths = new();

    public TrainingState(DependencyGraph graph, IReadOnlyList<optim.Optimizer> optimizers)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        _model = graph.Model;
        _flags = [.. ModelState.Modules(_model).Select(module => (module, module.training))];
        var seen = new HashSet<IntPtr>();
        foreach (var tensor in Tensors(graph).Where(tensor => !tensor.IsInvalid && seen.Add(tensor.Handle)))
            _tensors.Add((tensor, Copy(tensor), tensor.is_leaf && tensor.grad is { } gradient ? Copy(gradient) : null, tensor.requires_grad));
        foreach (var layer in graph.Layers)
            _widths.Remember(layer.Module, layer.Rule);
        foreach (var optimizer in optimizers.OfType<OptimizerHelper>())
        {
            var state = optimizer.state_dict();
            foreach (var owner in state.State.Cast<object>().Concat(state.Options))
                RememberFields(owner);
        }
    }

    /// <summary>Throws when a parameter or buffer is not the same object any more: its values could not be given back.</summary>
    public void ThrowIfReplaced()
    {
        var known = _tensors.Where(entry => !entry.Tensor.IsInvalid).Select(entry => entry.Tensor.Handle).ToHashSet();
        foreach (var (name, tensor) in _model.named_parameters().Select(entry => (entry.name, (Tensor)entry.parameter)).Concat(_model.named_buffers().Select(entry => (entry.name, entry.buffer))))
        {
            if (tensor is not null && !tensor.IsInvalid && !known.Contains(tensor.Handle))
            {
                throw new PruningException(
                    $"The callback put another tensor in the place of '{name}', so that an earlier state cannot be given back. Change values in place, and move or convert the model before the run.");
            }
        }
    }

    /// <summary>Gives everything its old value back, bit by bit. May be called again.</summary>
    public void Restore()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
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

        _widths.Restore();
        foreach (var (owner, field, value) in _optimizers)
            RestoreField(owner, field, value);
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

        foreach (var value in _optimizers.Select(entry => entry.Value).OfType<Tensor>())
            value.Dispose();
        _tensors.Clear();
        _optimizers.Clear();
        _widths.Dispose();
    }

    private static IEnumerable<Tensor> Tensors(DependencyGraph graph)
        => graph.Model.parameters().Cast<Tensor>().Concat(graph.Model.named_buffers().Select(entry => entry.buffer).Where(buffer => buffer is not null))
            .Concat(graph.Layers.SelectMany(layer => layer.Rule.Tensors(layer.Module)).Select(tensor => tensor.Tensor));

    private void RememberFields(object owner)
    {
        for (var type = owner.GetType(); type != typeof(object) && type is not null; type = type.BaseType)
        {
            foreach (var field in type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
            {
                if (field.FieldType == typeof(Tensor))
                    _optimizers.Add((owner, field, field.GetValue(owner) is Tensor { IsInvalid: false } tensor ? Copy(tensor) : null));
                else if (field.FieldType.IsValueType && !field.IsInitOnly)
                    _optimizers.Add((owner, field, field.GetValue(owner)));
            }
        }
    }

    private static void RestoreField(object owner, FieldInfo field, object? value)
    {
        if (field.FieldType != typeof(Tensor))
        {
            field.SetValue(owner, value);
            return;
        }

        var current = field.GetValue(owner) is Tensor { IsInvalid: false } live ? live : null;
        if (value is Tensor then && current is not null)
        {
            Assign(current, then);
            return;
        }

        current?.Dispose();
        field.SetValue(owner, (value as Tensor)?.clone().DetachFromDisposeScope());
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
