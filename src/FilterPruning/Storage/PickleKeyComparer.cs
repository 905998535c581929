using System.Runtime.CompilerServices;

namespace FilterPruning.Storage;

/// <summary>Keys of a Python dictionary. Seeded per process, so that a file cannot be made of keys that collide.</summary>
internal sealed class PickleKeyComparer : IEqualityComparer<object>
{
    public static readonly PickleKeyComparer Instance = new();

    public new bool Equals(object? x, object? y) => object.Equals(x, y);

    public int GetHashCode(object key) => HashCode.Combine(key is object?[]? RuntimeHelpers.GetHashCode(key) : key.GetHashCode());
}
