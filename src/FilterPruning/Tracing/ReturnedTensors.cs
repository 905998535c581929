using System.Collections;
using System.Reflection;
using System.Runtime.CompilerServices;

namespace FilterPruning.Tracing;

/// <summary>Finds the tensors in whatever a model returns: tensors, collections, dictionaries, tuples, and the public members of plain objects.</summary>
internal static class ReturnedTensors
{
    public static IReadOnlyList<Tensor> In(object? returned)
    {
        var found = new List<Tensor>();
        Walk(returned, found, new HashSet<object>(ReferenceEqualityComparer.Instance));
        return found;
    }

    private static void Walk(object? value, List<Tensor> found, HashSet<object> seen)
    {
        if (value is null or string or Delegate or Type or nn.Module || IsPlainValue(value.GetType()) || !seen.Add(value)) return;
        switch (value)
        {
            case Tensor tensor:
                if (!tensor.IsInvalid) found.Add(tensor);
                break;
            case IDictionary dictionary:
                foreach (var item in dictionary.Values) Walk(item, found, seen);
                break;
            case ITuple tuple:
                for (var i = 0; i < tuple.Length; i++) Walk(tuple[i], found, seen);
                break;
            case IEnumerable items:
                if (IsPlainCollection(value.GetType())) break;
                foreach (var item in items) Walk(item, found, seen);
                break;
        }
        if (value is not (Tensor or ITuple)) WalkMembers(value, found, seen);
    }

    private static void WalkMembers(object value, List<Tensor> found, HashSet<object> seen)
    {
        var type = value.GetType();
        if (type.Namespace is { } space && (space == "System" || space.StartsWith("System.", StringComparison.Ordinal)))
        {
            // Of the framework's own types only the pairs of a dictionary-like sequence carry members worth a look.
            if (!type.IsGenericType || type.GetGenericTypeDefinition() != typeof(KeyValuePair<,>)) return;
        }
        foreach (var property in type.GetProperties(BindingFlags.Instance | BindingFlags.Public))
            if (property.GetMethod is not null && property.GetIndexParameters().Length == 0 && !IsPlainValue(property.PropertyType))
                Walk(Read(property, value), found, seen);
        foreach (var field in type.GetFields(BindingFlags.Instance | BindingFlags.Public))
            if (!IsPlainValue(field.FieldType)) Walk(field.GetValue(value), found, seen);
    }

    // A property that cannot be read returns nothing to anyone.
    private static object? Read(PropertyInfo property, object owner)
    {
        try
        {
            return property.GetValue(owner);
        }
        catch (TargetInvocationException)
        {
            return null;
        }
    }

    private static bool IsPlainValue(Type type) =>
        type.IsPrimitive || type.IsEnum || type.IsPointer || type.IsByRef || type.IsByRefLike || type == typeof(decimal) || type == typeof(DateTime) || type == typeof(TimeSpan);

    private static bool IsPlainCollection(Type type) => type.IsArray && IsPlainValue(type.GetElementType()!);
}
