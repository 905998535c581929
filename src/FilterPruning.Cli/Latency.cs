using System.Diagnostics;
using FilterPruning.Detection.Models;
using MathNet.Numerics.Statistics;

namespace FilterPruning.Cli;

/// <summary>Milliseconds an image.</summary>
internal readonly record struct LatencyFigures(double Median, double P95);

/// <summary>Compares models in one run: every image goes through all of them in turn, so that whatever else the machine does hits all alike.</summary>
internal static class Latency
{
    /// <param name="models">The models; as they were afterwards.</param>
    /// <param name="images">float32 <c>[3, H, W]</c>.</param>
    /// <param name="rounds">Rounds over all images, after one that does not count.</param>
    /// <param name="prepared">Whether the models are prepared for inference meanwhile, as <c>detect</c> runs them; else they run layer by layer.</param>
    /// <param name="cancellation">Looked at before each image.</param>
    public static IReadOnlyList<LatencyFigures> Compare(IReadOnlyList<MaskRcnnModel> models, IReadOnlyList<Tensor> images, int rounds, bool prepared, CancellationToken cancellation)
    {
        var preparations = prepared ? models.Select(model => model.PrepareForInference()).ToList() : [];
        try
        {
            return Compare(models, images, rounds, cancellation);
        }
        finally
        {
            preparations.ForEach(preparation => preparation.Dispose());
        }
    }

    private static IReadOnlyList<LatencyFigures> Compare(IReadOnlyList<MaskRcnnModel> models, IReadOnlyList<Tensor> images, int rounds, CancellationToken cancellation)
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
