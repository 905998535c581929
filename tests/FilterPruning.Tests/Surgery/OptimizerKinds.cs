using System.Reflection;
using TorchSharp.Modules;

namespace FilterPruning.Tests.Surgery;

/// <summary>Every optimizer of TorchSharp that keeps something for each parameter, with the options that make it keep most; two groups with rates of their own.</summary>
internal static class OptimizerKinds
{
    private static readonly Dictionary<string, Func<List<Parameter>, List<Parameter>, OptimizerHelper>> _kinds = new()
    {
        ["SGD"] = (a, b) => new SGD([new SGD.ParamGroup(a, 1e-3), new SGD.ParamGroup(b, 2e-3)], 1e-3),
        ["SGD momentum, dampening, decay"] = (a, b) =>
            new SGD([new SGD.ParamGroup(a, 1e-3, 0.9, 0.1, 1e-2), new SGD.ParamGroup(b, 2e-3, 0.8, 0.2, 1e-2)], 1e-3),
        ["SGD nesterov"] = (a, b) => new SGD([new SGD.ParamGroup(a, 1e-3, 0.9, 0, 0, true), new SGD.ParamGroup(b, 2e-3, 0.8, 0, 0, true)], 1e-3),
        ["Adam"] = (a, b) => new Adam([new Adam.ParamGroup(a, 1e-3), new Adam.ParamGroup(b, 2e-3)], 1e-3),
        ["Adam amsgrad"] = (a, b) => new Adam([new Adam.ParamGroup(a, 1e-3, amsgrad: true), new Adam.ParamGroup(b, 2e-3, amsgrad: true)], 1e-3),
        ["AdamW"] = (a, b) => new AdamW([new AdamW.ParamGroup(a, 1e-3, weight_decay: 0.1), new AdamW.ParamGroup(b, 2e-3)], 1e-3),
        ["AdamW amsgrad"] = (a, b) => new AdamW([new AdamW.ParamGroup(a, 1e-3, amsgrad: true), new AdamW.ParamGroup(b, 2e-3, amsgrad: true)], 1e-3),
        ["RMSProp"] = (a, b) => new RMSProp([new RMSProp.ParamGroup(a, 1e-3), new RMSProp.ParamGroup(b, 2e-3)], 1e-3),
        ["RMSProp centered, momentum"] = (a, b) =>
            new RMSProp([new RMSProp.ParamGroup(a, 1e-3, momentum: 0.9, centered: true), new RMSProp.ParamGroup(b, 2e-3, momentum: 0.8, centered: true)], 1e-3),
        ["Adagrad"] = (a, b) => new Adagrad([new Adagrad.ParamGroup(a, 1e-3, 0.1), new Adagrad.ParamGroup(b, 2e-3, 0.1)], 1e-3),
        ["Adadelta"] = (a, b) => new Adadelta([new Adadelta.ParamGroup(a, 1), new Adadelta.ParamGroup(b, 2)], 1),
        ["Adamax"] = (a, b) => new Adamax([new Adamax.ParamGroup(a, 1e-3), new Adamax.ParamGroup(b, 2e-3)], 1e-3),
        ["NAdam"] = (a, b) => new NAdam([new NAdam.ParamGroup(a, 1e-3), new NAdam.ParamGroup(b, 2e-3)], 1e-3),
        ["RAdam"] = (a, b) => new RAdam([new RAdam.ParamGroup(a, 1e-3), new RAdam.ParamGroup(b, 2e-3)], 1e-3),
        ["ASGD"] = (a, b) => new ASGD([new ASGD.ParamGroup(a, 1e-3, t0: 2), new ASGD.ParamGroup(b, 2e-3, t0: 2)], 1e-3),
        ["Rprop"] = (a, b) => new Rprop([new Rprop.ParamGroup(a, 1e-3), new Rprop.ParamGroup(b, 2e-3)], 1e-3),
        ["a user's own"] = (a, b) => new OwnOptimizer([.. a], [.. b]),
    };

    public static TheoryData<string> Names => [.. _kinds.Keys];

    /// <summary>The optimizer, with the weights in one group and the biases in another.</summary>
    public static OptimizerHelper Make(string name, IEnumerable<Parameter> parameters)
    {
        var all = parameters.ToList();
        return _kinds[name]([.. all.Where(p => p.dim() > 1)], [.. all.Where(p => p.dim() == 1)]);
    }

    /// <summary>What the optimizer keeps, in the order of its parameters: every field by name; tensors are the optimizer's own.</summary>
    public static List<Dictionary<string, object?>> Read(OptimizerHelper optimizer)
        => [.. optimizer.state_dict().State.Select(state => Fields(state).ToDictionary(field => field.Name, field => field.GetValue(state)))];

    /// <summary>The same with copies of the tensors.</summary>
    public static List<Dictionary<string, object?>> ReadCopies(OptimizerHelper optimizer)
        => [.. Read(optimizer).Select(fields => fields.ToDictionary(field => field.Key, field => Map(field.Value, tensor => tensor.clone())))];

    /// <summary>Writes what another optimizer kept.</summary>
    public static void Write(OptimizerHelper optimizer, List<Dictionary<string, object?>> states)
    {
        foreach (var (state, fields) in optimizer.state_dict().State.Zip(states))
        {
            foreach (var field in Fields(state))
                field.SetValue(state, Map(fields[field.Name], tensor => tensor.clone().DetachFromDisposeScope()));
        }
    }

    public static void AssertSame(List<Dictionary<string, object?>> expected, List<Dictionary<string, object?>> actual)
    {
        Assert.Equal(expected.Count, actual.Count);
        foreach (var (one, other) in expected.Zip(actual))
        {
            foreach (var (name, value) in one)
            {
                if (value is Tensor tensor)
                    AssertSame(name, tensor, Assert.IsType<Tensor>(other[name], exactMatch: false));
                else if (value is Tensor[] array)
                    Assert.All(array.Zip((Tensor[])other[name]!), pair => AssertSame(name, pair.First, pair.Second));
                else
                    Assert.Equal(value, other[name]);
            }
        }
    }

    public static object? Map(object? value, Func<Tensor, Tensor> map) => value switch
    {
        Tensor tensor => map(tensor),
        Tensor[] tensors => tensors.Select(map).ToArray(),
        _ => value,
    };

    private static void AssertSame(string name, Tensor expected, Tensor actual)
        => Assert.True(expected.shape.SequenceEqual(actual.shape) && expected.equal(actual).all().item<bool>(), name);

    private static FieldInfo[] Fields(OptimizerState state)
        => state.GetType().GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly);
}
