using System.Globalization;
using System.Text;

namespace FilterPruning.Schedules;

/// <summary>
/// One of several parts of a list of independent points, each to be measured by a process of its own. A name decides by a hash of its own which part it is in, the same on every machine and in every
/// order; parts are about equally large, not exactly.
/// </summary>
public readonly record struct Shard
{
    /// <summary>Names a part.</summary>
    /// <param name="index">Which one, 1 … <paramref name="count"/>.</param>
    /// <param name="count">How many there are, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such part.</exception>
    public Shard(int index, int count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(index, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(index, count);
        (Index, Count) = (index, count);
    }

    /// <summary>Which part, 1 … <see cref="Count"/>; 0 only in the default value, which holds nothing.</summary>
    public int Index { get; }

    /// <summary>How many parts there are.</summary>
    public int Count { get; }

    /// <summary>Reads <c>i/n</c>.</summary>
    /// <param name="text">For instance <c>2/8</c>: the second of eight.</param>
    /// <exception cref="FormatException">It is no part; says what is allowed.</exception>
    public static Shard Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var parts = text.Split('/');
        return parts.Length == 2
            && int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var index)
            && int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var count)
            && index >= 1 && index <= count
            ? new Shard(index, count)
            : throw new FormatException($"'{text}' names no part; allowed is i/n with 1 <= i <= n, for instance 1/2 here and 2/2 on another machine.");
    }

    /// <summary>The part, 1 … <paramref name="count"/>, that a name is in.</summary>
    public static int IndexOf(string name, int count)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        return (int)(Hash(name) % (uint)count) + 1;
    }

    /// <summary>Whether a name is in this part.</summary>
    public bool Contains(string name) => Count > 0 && IndexOf(name, Count) == Index;

    /// <summary><c>i/n</c>.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Index}/{Count}");

    // FNV-1a, 64 bits, folded: the same everywhere, unlike string.GetHashCode.
    private static ulong Hash(string text)
    {
        var hash = 14695981039346656037UL;
        foreach (var value in Encoding.UTF8.GetBytes(text))
            hash = (hash ^ value) * 1099511628211UL;
        return hash ^ (hash >> 32);
    }
}
