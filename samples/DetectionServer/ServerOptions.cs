namespace DetectionServer;

/// <summary>
/// The section <c>Detection</c> of the configuration: <c>appsettings.json</c>, environment variables (<c>Detection__QueueLength=4</c>) or the command line (<c>--Detection:QueueLength 4</c>).
/// </summary>
public sealed record ServerOptions
{
    /// <summary>The dense detector, a file of <c>filter-pruning train</c> or <c>DetectorFile.Save</c>. Default: the ShapeScenes checkpoint that comes with the sample.</summary>
    public string? DenseModel { get; init; }

    /// <summary>The pruned detector, a file of <c>filter-pruning prune</c> or <c>DetectorFile.SavePruned</c>. Default: made from the ShapeScenes checkpoint at start.</summary>
    public string? PrunedModel { get; init; }

    /// <summary>The share of filters that is pruned when the pruned detector is made at start, 0.05 … 0.9. Default 0.4.</summary>
    public double PruneRatio { get; init; } = 0.4;

    /// <summary>Unlabelled scenes that repair the pruned detector made at start, 1 … 64. Default 12. More take longer and repair better.</summary>
    public int RepairScenes { get; init; } = 12;

    /// <summary>Requests that are worked on at the same time, 1 … 64. Each worker has a thread and both models of its own, and an equal share of the cores. Default 1.</summary>
    public int Workers { get; init; } = 1;

    /// <summary>Requests that may wait for a worker, 1 … 10,000. One more is refused with 429. Default 8.</summary>
    public int QueueLength { get; init; } = 8;

    /// <summary>Bodies that may be on their way in at the same time, 1 … 10,000. One more is refused with 429. Default 32.</summary>
    public int MaxUploads { get; init; } = 32;

    /// <summary>Seconds until the whole body must have come, 1 … 600. Default 20.</summary>
    public double UploadSeconds { get; init; } = 20;

    /// <summary>The most bytes of a body, 1 kB … 1 GB. Default 10 MB.</summary>
    public long MaxBodyBytes { get; init; } = 10 << 20;

    /// <summary>The most pixels (width × height) of a picture, 1024 … 2²⁶. Checked before anything is decoded. Default 4,000,000.</summary>
    public long MaxPixels { get; init; } = 4_000_000;

    /// <summary>Detections with a lower score are not computed, 0 … 1; a request may ask for a higher score, not for a lower one. Default 0.5.</summary>
    public double ScoreThreshold { get; init; } = 0.5;

    /// <summary>The most detections for a picture, 1 … 1000. Their masks are what a large picture costs memory: 4 bytes × pixels × detections. Default 50.</summary>
    public int MaxDetections { get; init; } = 50;

    /// <summary>A worker that is busy with one request for longer than this makes the server unhealthy, 1 … 3600 seconds. Default 60.</summary>
    public double StuckSeconds { get; init; } = 60;

    /// <summary>Seconds that accepted requests have to be finished when the server is told to stop, 1 … 600. Default 30.</summary>
    public double DrainSeconds { get; init; } = 30;

    /// <summary>Throws one <see cref="ArgumentException"/> that lists everything that is out of its range.</summary>
    public void Validate()
    {
        var errors = new List<string>();
        Check(nameof(PruneRatio), PruneRatio, 0.05, 0.9);
        Check(nameof(RepairScenes), RepairScenes, 1, 64);
        Check(nameof(Workers), Workers, 1, 64);
        Check(nameof(QueueLength), QueueLength, 1, 10_000);
        Check(nameof(MaxUploads), MaxUploads, 1, 10_000);
        Check(nameof(UploadSeconds), UploadSeconds, 1, 600);
        Check(nameof(MaxBodyBytes), MaxBodyBytes, 1024, 1 << 30);
        Check(nameof(MaxPixels), MaxPixels, 1024, 1 << 26);
        Check(nameof(ScoreThreshold), ScoreThreshold, 0, 1);
        Check(nameof(MaxDetections), MaxDetections, 1, 1000);
        Check(nameof(StuckSeconds), StuckSeconds, 1, 3600);
        Check(nameof(DrainSeconds), DrainSeconds, 1, 600);
        if (DenseModel is not null && PrunedModel is null)
            errors.Add($"{nameof(DenseModel)} is given without {nameof(PrunedModel)}; make one with 'filter-pruning prune --weights {DenseModel} --ratio 0.4 --repair PHOTOS --out pruned.safetensors'");
        foreach (var (name, file) in new[] { (nameof(DenseModel), DenseModel), (nameof(PrunedModel), PrunedModel) })
        {
            if (file is not null && !File.Exists(file))
                errors.Add($"{name} is '{file}', which is no file (seen from {Environment.CurrentDirectory})");
        }

        if (errors.Count > 0)
            throw new ArgumentException($"The configuration's section 'Detection' cannot be used: {string.Join("; ", errors)}.");

        void Check(string name, double value, double low, double high)
        {
            // Written so that NaN fails.
            if (!(value >= low && value <= high))
                errors.Add($"{name} is {value}, allowed is {low} to {high}");
        }
    }
}
