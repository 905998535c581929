using System.Diagnostics;
using FilterPruning.Detection.Models;
using FilterPruning.Graph;
using FilterPruning.Recovery;

namespace FilterPruning.Cli.Study;

/// <summary>What the dense model's layers read on unlabelled training photos: collected when it is first asked for, and once for a whole run.</summary>
internal sealed class StudyCalibration(MaskRcnnModel model, DependencyGraph graph, IReadOnlyList<Tensor> photos) : IDisposable
{
    private readonly CalibrationForward _forward = new();
    private CalibrationSample? _sample;

    public IReadOnlyList<Tensor> Photos => photos;

    /// <summary>Seconds that collecting took; null before.</summary>
    public double? Seconds { get; private set; }

    /// <summary>The model must be dense when this is asked for first.</summary>
    public CalibrationSample Sample => _sample ?? Collect(CancellationToken.None);

    /// <summary>Runs a model on a photo, on the boxes that the dense model chose there.</summary>
    public object? Run(MaskRcnnModel changed, Tensor photo) => _forward.Run(changed, photo);

    /// <summary>Collects, unless that was done.</summary>
    public CalibrationSample Collect(CancellationToken cancellation)
    {
        if (_sample is null)
        {
            var start = Stopwatch.GetTimestamp();
            _sample = CalibrationSample.Collect(model, graph, photos, Run, cancellation: cancellation);
            Seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        }

        return _sample;
    }

    public void Dispose() => _sample?.Dispose();
}
