using System.Diagnostics;
using System.Text.Json.Nodes;
using MathNet.Numerics.Statistics;

namespace FilterPruning.Cli.Export;

/// <summary>Times detectors in ONNX Runtime turn by turn, so that whatever else the machine does meets all alike.</summary>
internal static class OnnxTimer
{
    /// <summary>Milliseconds, [detector][round]; one round before them does not count.</summary>
    public static double[][] Times(IReadOnlyList<OnnxRunner> runners, IReadOnlyList<Tensor> images, int rounds, CancellationToken cancellation)
    {
        var times = runners.Select(_ => new double[rounds]).ToArray();
        for (var round = -1; round < rounds; round++)
        {
            foreach (var image in images)
            {
                using var input = OnnxRunner.ToOrt(image);
                for (var turn = 0; turn < runners.Count; turn++)
                {
                    cancellation.ThrowIfCancellationRequested();
                    var one = (turn + round + 1) % runners.Count;
                    var start = Stopwatch.GetTimestamp();
                    runners[one].Run(input, image).Dispose();
                    if (round >= 0)
                        times[one][round] += Stopwatch.GetElapsedTime(start).TotalMilliseconds / images.Count;
                }
            }
        }

        return times;
    }

    /// <summary>The figures of one detector.</summary>
    public static JsonObject ToJson(double[] times) => new() { ["median"] = times.Median(), ["p95"] = times.Percentile(95), ["best"] = times.Min() };

    /// <summary>The median over rounds of one detector's time over another's in the same round.</summary>
    public static double Ratio(double[] times, double[] others) => times.Zip(others, (a, b) => a / b).Median();
}
