using System.Collections;
using System.Reflection;
using System.Runtime.CompilerServices;

namespace FilterPruning.Proof;

/// <summary>Finds the tensors in whatever a forward returns: tensors, tuples, lists, dictionaries, and the public members of other objects.</summary>
internal static class ReturnedTensors
{
    private const int MaximumDepth = 8;

    /// <summary>The tensors in a fixed order, with the way to each; they stay the object's.</summary>
    public static IReadOnlyList<(string Path, Tensor Tensor)> In(object? result)
    {
        var found = new List<(string, Tensor)>();
        Visit(result, "result", 0, found, new HashSet<object>(ReferenceEqualityComparer.Instance));
        return found;
    }

    private static void Visit(object? value, string path, int depth, List<(string, Tensor)> found, HashSet<object> seen)
    {
        if (value is Tensor tensor)
        {
            if (!tensor.IsInvalid)
                found.Add((path, tensor));
            return;
        }

        if (value is null or string || depth > MaximumDepth || value.GetType() is { IsPrimitive: true } or { IsEnum: true } || value is nn.Module or Delegate or Type)
            return;
        if (!value.GetType().IsValueType && !seen.Add(value))
            return;
        switch (value)
        {
            case ITuple tuple:
                for (var i = 0; i < tuple.Length; i++)
                    Visit(tuple[i], $"{path}.{i}", depth + 1, found, seen);
                break;
            case IDictionary dictionary:
                foreach (DictionaryEntry entry in dictionary)
                    Visit(entry.Value, $"{path}[{entry.Key}]", depth + 1, found, seen);
                break;
            case IEnumerable sequence:
                var index = 0;
                foreach (var item in sequence)
                    Visit(item, $"{path}[{index++}]", depth + 1, found, seen);
                break;
            default:
                VisitMembers(value, path, depth, found, seen);
                break;
        }
    }

    private static void VisitMembers(object value, string path, int depth, List<(string, Tensor)> found, HashSet<object> seen)
    {
        var type = value.GetType();
        if (type.Namespace is { } space && (space == "System" || space.StartsWith("System.", StringComparison.Ordinal)))
            return;
        foreach (var property in type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(p => p.CanRead && p.GetIndexParameters().Length == 0))
            Visit(property.GetValue(value), $"{path}.{property.Name}", depth + 1, found, seen);
        foreach (var field in type.GetFields(BindingFlags.Public | BindingFlags.Instance))
            Visit(field.GetValue(value), $"{path}.{field.Name}", depth + 1, found, seen);
    }
}
