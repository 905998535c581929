using System.Collections;
using System.Reflection;
using TorchSharp.Modules;

namespace FilterPruning.Surgery;

/// <summary>
/// What one optimizer keeps for one parameter, as it was: its tensors, found by reflection in every field of the state, and its plain values (step counts).
/// Tensors that shrink are remembered by their storage, which a cut leaves untouched; the others by a copy.
/// </summary>
internal sealed class ParameterState : IDisposable
{
    private readonly string _optimizer;
    private readonly OptimizerState _state;
    private readonly Parameter _parameter;
    private readonly TensorCut? _cut;
    private readonly string _layer;
    private readonly List<(FieldInfo Field, object? Value)> _fields = [];
    private readonly List<(IList List, Tensor?[] Items)> _lists = [];
    private readonly List<(Tensor Tensor, Tensor Value, bool Shrinks)> _tensors = [];

    /// <param name="optimizer">The optimizer.</param>
    /// <param name="state">What it keeps for the parameter.</param>
    /// <param name="cut">How the parameter shrinks; null when it does not.</param>
    /// <param name="layer">The layer that shrinks, for errors.</param>
    /// <exception cref="PruningException">The state holds something that cannot be cut with the parameter. Nothing was touched.</exception>
    public ParameterState(OptimizerHelper optimizer, OptimizerState state, TensorCut? cut, string layer)
    {
        _optimizer = optimizer.GetType().Name;
        _state = state;
        _cut = cut;
        _layer = layer;
        _parameter = OptimizerInternals.Parameter(state);
        try
        {
            foreach (var field in Fields(state.GetType()))
                Remember(field);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Cuts the tensors with their parameter.</summary>
    public void Narrow()
    {
        using var scope = NewDisposeScope();
        foreach (var (tensor, _, _) in _tensors.Where(entry => entry.Shrinks))
            Snapshot.Exchange(tensor, (_cut! with { Tensor = tensor }).Narrowed());
    }

    /// <summary>Gives every field what it held, bit by bit. A state that was disposed stays so. May be called again, unless the parameter was cut.</summary>
    public void Restore()
    {
        foreach (var (field, value) in _fields)
            field.SetValue(_state, value is Tensor tensor ? Revived(tensor, field.GetValue(_state)) : value);
        foreach (var (list, items) in _lists)
        {
            var values = items.Select((item, i) => item is null ? null : Revived(item, i < list.Count ? list[i] : null)).ToList();
            if (!list.IsFixedSize)
                list.Clear();
            for (var i = 0; i < values.Count; i++)
            {
                if (list.IsFixedSize)
                    list[i] = values[i];
                else
                    list.Add(values[i]);
            }
        }

        using var noGrad = no_grad();
        foreach (var (tensor, value, shrinks) in _tensors.Where(entry => !entry.Tensor.IsInvalid))
        {
            if (tensor.shape.SequenceEqual(value.shape))
                tensor.copy_(value);
            else if (shrinks)
                Snapshot.Exchange(tensor, value);
            else
                Snapshot.Exchange(tensor, Own(value));
        }
    }

    public void Dispose()
    {
        foreach (var (_, value, _) in _tensors)
            value.Dispose();
        _tensors.Clear();
        _fields.Clear();
        _lists.Clear();
    }

    private static IEnumerable<FieldInfo> Fields(Type type)
    {
        for (var at = type; at is not null && at != typeof(OptimizerState); at = at.BaseType)
        {
            foreach (var field in at.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
                yield return field;
        }
    }

    private void Remember(FieldInfo field)
    {
        var value = field.GetValue(_state);
        switch (value)
        {
            case Tensor tensor when ReferenceEquals(tensor, _parameter):
                return;
            case Tensor tensor:
                Remember(tensor, field.Name);
                break;
            case Tensor[] or List<Tensor>:
                var list = (IList)value;
                _lists.Add((list, [.. list.Cast<Tensor?>()]));
                foreach (var item in list.OfType<Tensor>())
                    Remember(item, field.Name);
                break;
            default:
                if (_cut is not null && TensorSearch.Holds(value))
                    throw NotUnderstood($"keeps tensors in '{field.Name}', a {field.FieldType.Name},");
                break;
        }

        if (!field.IsInitOnly)
            _fields.Add((field, value));
    }

    private void Remember(Tensor tensor, string name)
    {
        if (tensor.IsInvalid)
            return;
        var shrinks = _cut is not null && tensor.shape.SequenceEqual(_cut.Before);
        if (_cut is not null && !shrinks && tensor.numel() != 1 && !tensor.shape.SequenceEqual(_parameter.shape))
            throw NotUnderstood($"keeps '{name}' of shape [{string.Join(", ", tensor.shape)}]");
        _tensors.Add((tensor, shrinks ? tensor.detach().DetachFromDisposeScope() : Own(tensor), shrinks));
    }

    private PruningException NotUnderstood(string what) => new(
        $"Optimizer {_optimizer} {what} for tensor '{_cut!.Name}' of layer '{_layer}', whose shape is [{string.Join(", ", _cut.Before)}]. Only tensors of the "
        + "parameter's own shape, single numbers, and arrays or lists of these can be cut with it. Leave the optimizer out and make it anew after the cut.");

    /// <summary>
    /// The tensor to put back. Some optimizers put a new one into the field at each step and dispose the old one; where the old one is still there, disposed,
    /// the optimizer itself was disposed.
    /// </summary>
    private Tensor Revived(Tensor remembered, object? current)
    {
        if (!remembered.IsInvalid || ReferenceEquals(current, remembered) || _tensors.FindIndex(entry => ReferenceEquals(entry.Tensor, remembered)) is not (>= 0 and var found))
            return remembered;
        if (current is Tensor { IsInvalid: false } successor && !_tensors.Any(entry => ReferenceEquals(entry.Tensor, successor)))
            successor.Dispose();
        return Own(_tensors[found].Value);
    }

    private static Tensor Own(Tensor tensor)
    {
        using var alias = tensor.detach();
        return alias.clone().DetachFromDisposeScope();
    }
}
