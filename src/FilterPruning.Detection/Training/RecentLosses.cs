using System.Diagnostics;

namespace FilterPruning.Detection.Training;

/// <summary>The losses and the pace of the last (at most 100) iterations.</summary>
internal sealed class RecentLosses
{
    private const int Window = 100;
    private readonly Queue<(LossValues Losses, int Images, long Ended)> _last = new();
    private long _began = Stopwatch.GetTimestamp();

    /// <summary>The mean losses; null before the first iteration.</summary>
    public LossValues? Mean => _last.Count == 0 ? null : new LossValues(
        _last.Average(l => l.Losses.Classifier), _last.Average(l => l.Losses.BoxRegression), _last.Average(l => l.Losses.Mask),
        _last.Average(l => l.Losses.Objectness), _last.Average(l => l.Losses.RpnBoxRegression))
    {
        Distillation = _last.Average(l => l.Losses.Distillation),
    };

    /// <summary>Images per second of wall time, evaluations and checkpoints included.</summary>
    public double ImagesPerSecond => _last.Count == 0 ? 0 : _last.Sum(l => l.Images) / Math.Max(1e-9, Stopwatch.GetElapsedTime(_began, _last.Last().Ended).TotalSeconds);

    /// <summary>Adds an iteration that ends now.</summary>
    public void Add(LossValues losses, int images)
    {
        _last.Enqueue((losses, images, Stopwatch.GetTimestamp()));
        if (_last.Count > Window)
            _began = _last.Dequeue().Ended;
    }
}
