using System.Diagnostics;

namespace FilterPruning.Benchmarks.Goals;

/// <summary>
/// Times competitors side by side in one process: each round runs all of them once, one after another, and the round's order is turned by one each time.
/// Whatever else the machine does meets all of them alike, so ratios hold where single times do not.
/// </summary>
internal static class Paired
{
    /// <summary>Times every competitor once in each round, after one round that does not count.</summary>
    /// <param name="rounds">The rounds to keep, at least 1.</param>
    /// <param name="competitors">What to time. Short work should repeat itself inside: the clock's tick and the call cost some 50 ns.</param>
    /// <returns>Milliseconds, [competitor][round].</returns>
    public static IReadOnlyList<double[]> Times(int rounds, params Action[] competitors)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rounds, 1);
        var times = competitors.Select(_ => new double[rounds]).ToArray();
        foreach (var competitor in competitors)
            competitor();
        for (var round = 0; round < rounds; round++)
        {
            for (var turn = 0; turn < competitors.Length; turn++)
            {
                var one = (turn + round) % competitors.Length;
                var start = Stopwatch.GetTimestamp();
                competitors[one]();
                times[one][round] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
            }
        }

        return times;
    }

    /// <summary>The middle one of the sorted values; the mean of both where their number is even.</summary>
    public static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    /// <summary>The median over rounds of one competitor's time over another's in the same round.</summary>
    public static double MedianRatio(IReadOnlyList<double> times, IReadOnlyList<double> others) => Median(times.Zip(others, (a, b) => a / b));

    /// <summary>The ratio of the least disturbed rounds: what to read where disturbances only ever add time.</summary>
    public static double RatioOfBest(IEnumerable<double> times, IEnumerable<double> others) => times.Min() / others.Min();
}
