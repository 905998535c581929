using System.Collections;
using System.Reflection;
using System.Runtime.CompilerServices;

namespace FilterPruning.Zoo;

/// <summary>The tensors in whatever a model returned, each with its place, in a fixed order.</summary>
internal static class Answers
{
    /// <summary>Runs a model in evaluation mode, without gradients and from a fixed random state. The tensors belong to the caller's scope.</summary>
    public static IReadOnlyList<(string Place, Tensor Tensor)> Of(ZooModel zoo, nn.Module model)
    {
        using var guard = no_grad();
        model.eval();
        manual_seed(ZooCheck.Seed);
        return In(zoo.Forward(model));
    }

    /// <summary>Finds tensors in tensors, collections, dictionaries, tuples, and public properties of other objects.</summary>
    public static IReadOnlyList<(string Place, Tensor Tensor)> In(object? returned)
    {
        var found = new List<(string, Tensor)>();
        Walk("result", returned, found);
        return found;
    }

    /// <summary>Compares shapes and types.</summary>
    /// <param name="before">What the model returned.</param>
    /// <param name="after">What it returns now.</param>
    /// <param name="countsVary">Whether the first dimension may differ (a detector's boxes), and with it the number of tensors.</param>
    public static void SameShapes(IReadOnlyList<(string Place, Tensor Tensor)> before, IReadOnlyList<(string Place, Tensor Tensor)> after, bool countsVary)
    {
        ZooFailureException.Unless(before.Count == after.Count, $"it returned {before.Count} tensors and returns {after.Count} now");
        foreach (var ((place, old), (_, now)) in before.Zip(after))
        {
            var same = old.dtype == now.dtype && old.dim() == now.dim() && old.shape.Skip(countsVary ? 1 : 0).SequenceEqual(now.shape.Skip(countsVary ? 1 : 0));
            ZooFailureException.Unless(same, $"{place} was {Text(old)} and is {Text(now)} now"
                + (countsVary ? "" : $"; where the number of answers follows from their values, say so with {nameof(ZooModel)}.{nameof(ZooModel.CountsVary)}"));
        }

        static string Text(Tensor tensor) => $"{tensor.dtype} [{string.Join(", ", tensor.shape)}]";
    }

    /// <summary>Compares bit by bit.</summary>
    public static void SameBits(IReadOnlyList<(string Place, Tensor Tensor)> before, IReadOnlyList<(string Place, Tensor Tensor)> after)
    {
        ZooFailureException.Unless(before.Count == after.Count, $"it returned {before.Count} tensors and returns {after.Count} now");
        foreach (var ((place, old), (_, now)) in before.Zip(after))
            ZooFailureException.Unless(ModelValues.SameBits(old, now), $"{place} is not what it was, bit by bit");
    }

    private static void Walk(string place, object? value, List<(string, Tensor)> found)
    {
        switch (value)
        {
            case null or string or nn.Module or Delegate:
                return;
            case Tensor tensor:
                found.Add((place, tensor));
                return;
            case IDictionary dictionary:
                foreach (DictionaryEntry entry in dictionary) Walk($"{place}[{entry.Key}]", entry.Value, found);
                return;
            case ITuple tuple:
                for (var i = 0; i < tuple.Length; i++) Walk($"{place}[{i}]", tuple[i], found);
                return;
            case IEnumerable items:
                var index = 0;
                foreach (var item in items) Walk($"{place}[{index++}]", item, found);
                return;
        }

        if (value.GetType().IsPrimitive || value.GetType().IsEnum) return;
        foreach (var property in value.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(property => property.GetIndexParameters().Length == 0))
            Walk($"{place}.{property.Name}", property.GetValue(value), found);
    }
}
