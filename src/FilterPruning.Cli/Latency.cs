using System.Diagnostics;
using FilterPruning.Detection.Models;
using MathNet.Numerics.Statistics;

namespace FilterPruning.Cli;

/// <summary>Milliseconds an image.</summary>
internal readonly record struct LatencyFigures(double Median, double P95);

/// <summary>Compares models in one run: every image goes through all of them in turn, so that whatever else the machine does hits all alike.</summary>
internal static class Latency
{
    public static IReadOnlyList<LatencyFigures> Compare(IReadOnlyList<MaskRcnnModel> models, IReadOnlyList<Tensor> images, int rounds, CancellationToken cancellation)
    {
        var times = models.Select(_ => new List<double>()).ToArray();
        using var noGrad = no_grad();
        for (var round = -1; round < rounds; round++)
        {
            foreach (var image in images)
            {
                cancellation.ThrowIfCancellationRequested();
                for (var i = 0; i < models.Count; i++)
                {
                    var start = Stopwatch.GetTimestamp();
                    foreach (var detection in models[i].Detect([image]))
                        detection.Dispose();
                    if (round >= 0)                         // the first round warms up
                        times[i].Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
                }
            }
        }

        return [.. times.Select(list => new LatencyFigures(list.Median(), list.Percentile(95)))];
    }
}
