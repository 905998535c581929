namespace FilterPruning.Benchmarks.Speedup;

/// <summary>A pruned detector beside the dense one: what its cut saves on paper and on the clock. One line of the table.</summary>
internal sealed record SpeedupPoint
{
    /// <summary>Pixels of the images' shorter side in the network.</summary>
    public required int Size { get; init; }

    public required int Threads { get; init; }

    /// <summary><c>local</c> and <c>global</c>: that share of the filters is gone. <c>macs</c>: that share of the multiply-accumulates is gone, shared out among layers that are built alike.</summary>
    public required string Scope { get; init; }

    public required double Ratio { get; init; }

    /// <summary>What widths are multiples of.</summary>
    public required int Multiple { get; init; }

    /// <summary>Whether both models were prepared for inference.</summary>
    public required bool Prepared { get; init; }

    public required int Images { get; init; }

    public required int Rounds { get; init; }

    public required long ParametersDense { get; init; }

    public required long ParametersPruned { get; init; }

    /// <summary>An image's multiply-accumulates as they were run, on average.</summary>
    public required double MacsDense { get; init; }

    public required double MacsPruned { get; init; }

    /// <summary>How much faster the multiply-accumulates alone would make it.</summary>
    public double Theory => MacsDense / MacsPruned;

    /// <summary>How much faster it is: the median over rounds of the dense model's time for all images, over the pruned one's.</summary>
    public required double SpeedUp { get; init; }

    public double RealisedOverTheory => SpeedUp / Theory;

    /// <summary>Milliseconds an image, over all images and rounds.</summary>
    public required double DenseP50 { get; init; }

    public required double DenseP95 { get; init; }

    public required double PrunedP50 { get; init; }

    public required double PrunedP95 { get; init; }

    public double SpeedUpP95 => DenseP95 / PrunedP95;

    public required double ObjectsDense { get; init; }

    public required double ObjectsPruned { get; init; }

    /// <summary>Median milliseconds of each stage: dense, pruned.</summary>
    public required IReadOnlyDictionary<string, double[]> Stages { get; init; }

    public long? FileBytesDense { get; init; }

    public long? FileBytesPruned { get; init; }

    /// <summary>How far memory rises above the resident weights while the first image is looked at.</summary>
    public long? PeakBytesDense { get; init; }

    public long? PeakBytesPruned { get; init; }
}
