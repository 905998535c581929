using System.Diagnostics;

namespace FilterPruning.Benchmarks.Scoring;

/// <summary>
/// Enough copies of a weight that together they exceed the last-level cache three times: used in turn, each of them comes from memory. (A weight that was just read would come from the cache,
/// several times faster.)
/// </summary>
internal sealed class Rotation : IDisposable
{
    private readonly Tensor[] _weights;
    private readonly Tensor[] _plain;

    public Rotation(NormCase norm)
    {
        Case = norm;
        var bytes = norm.Shape.Count * norm.ElementSize;
        _weights = [.. Enumerable.Range(0, (int)((3 * Goals.Surroundings.LastLevelCacheBytes / bytes) + 1)).Select(seed => norm.Make((ulong)seed))];

        // What a strided weight skips need not be read: the limit is that of a contiguous one of the same size.
        _plain = norm.Strided ? [.. _weights.Select(weight => weight.contiguous())] : _weights;
    }

    public NormCase Case { get; }

    /// <summary>Bytes of one copy.</summary>
    public long Bytes => Case.Shape.Count * Case.ElementSize;

    /// <summary>
    /// Times one copy at a time, the competitors in turn and the copies in turn, so that every copy is cold whoever gets it. Gives each competitor's tenth percentile in milliseconds:
    /// what a turn takes when nothing else disturbs it, but not the luckiest of all.
    /// </summary>
    /// <param name="turns">Turns of each competitor.</param>
    /// <param name="competitors">Take the weight, and its numbers without gaps.</param>
    public double[] Times(int turns, params IReadOnlyList<Action<Tensor, Tensor>> competitors)
    {
        var times = competitors.Select(_ => new List<double>(turns)).ToArray();
        for (int step = -competitors.Count, warm = 0; step < turns * competitors.Count; step++, warm++)
        {
            var one = warm % competitors.Count;
            var copy = warm % _weights.Length;
            var start = Stopwatch.GetTimestamp();
            competitors[one](_weights[copy], _plain[copy]);
            if (step >= 0)
                times[one].Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }

        return [.. times.Select(list => list.Order().ElementAt(list.Count / 10))];
    }

    public void Dispose()
    {
        foreach (var weight in _weights.Concat(_plain))
            weight.Dispose();
    }
}
