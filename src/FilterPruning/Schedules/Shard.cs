using System.Globalization;

namespace FilterPruning.Schedules;

/// <summary>
/// One of several parts of a list of independent points, each to be measured by a process of its own. Points are dealt out in turn, in the order of the list: the parts are equally large up to one, and
/// neighbours, which tend to cost the same, go to different parts.
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

    /// <summary>Whether a point is in this part.</summary>
    /// <param name="position">Its place in the list, from 0.</param>
    public bool Holds(int position) => Count > 0 && position % Count == Index - 1;

    /// <summary><c>i/n</c>.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Index}/{Count}");
}
