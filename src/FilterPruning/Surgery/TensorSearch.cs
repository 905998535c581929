using System.Collections;
using System.Reflection;

namespace FilterPruning.Surgery;

/// <summary>Whether an object that nothing is known about holds a tensor somewhere.</summary>
internal static class TensorSearch
{
    private const int Depth = 5;

    public static bool Holds(object? value) => Holds(value, Depth, new HashSet<object>(ReferenceEqualityComparer.Instance));

    private static bool Holds(object? value, int depth, HashSet<object> seen)
    {
        if (value is Tensor)
            return true;
        // A module's tensors are its own, not the optimizer's.
        if (value is null or string or Delegate or Type or nn.Module || depth == 0)
            return false;
        var type = value.GetType();
        if (type.IsPrimitive || type.IsEnum || type.IsPointer || !(type.IsValueType || seen.Add(value)))
            return false;
        if (value is IEnumerable items && items.Cast<object?>().Any(item => Holds(item, depth - 1, seen)))
            return true;
        for (var at = type; at is not null && at != typeof(object); at = at.BaseType)
        {
            foreach (var field in at.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
            {
                if (!field.FieldType.IsPointer && !field.FieldType.IsPrimitive && Holds(field.GetValue(value), depth - 1, seen))
                    return true;
            }
        }

        return false;
    }
}
