using System.Diagnostics;
using System.Globalization;
using FilterPruning.Reliability.Leaks;

namespace FilterPruning.Reliability.Threads;

/// <summary>The long run: many detections by several threads at once.</summary>
internal static class ThreadRun
{
    private const int Threads = 4, Pictures = 8;

    /// <summary>Runs plain and prepared.</summary>
    /// <param name="rounds">How often each thread goes through all pictures.</param>
    /// <param name="seed">Of the orders.</param>
    /// <param name="tell">Gets a line for each.</param>
    /// <returns>Whether all answers were those of one thread.</returns>
    public static bool Run(int rounds, int seed, Action<string> tell)
    {
        using var model = TinyDetector.Create();
        var pictures = TinyDetector.Pictures(Pictures);
        var same = true;
        foreach (var isPrepared in new[] { false, true })
        {
            var clock = Stopwatch.StartNew();
            using var prepared = isPrepared ? model.PrepareForInference() : null;
            var differences = Together.Differences(model, pictures, Together.Alone(model, pictures), Threads, rounds, seed);
            same &= differences == 0;
            tell(string.Create(
                CultureInfo.InvariantCulture, $"| {(isPrepared ? "prepared" : "plain")} | {Threads} threads | {Threads * rounds * Pictures} detections | {differences} unlike those of one thread | {clock.Elapsed.TotalSeconds:0} s |"));
        }

        foreach (var picture in pictures)
            picture.Dispose();
        return same;
    }
}
