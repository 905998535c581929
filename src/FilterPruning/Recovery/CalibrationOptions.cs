namespace FilterPruning.Recovery;

/// <summary>How much of what a dense model computes on unlabelled inputs is kept.</summary>
public sealed record CalibrationOptions
{
    /// <summary>
    /// Sampled positions per layer, over all inputs together: the rows of every least-squares fit. At least 64. Default 8192, four times the widest layer of a ResNet-50. Layers with very
    /// many inputs (flattened maps) keep fewer: no layer keeps more than 32 million numbers (128 MB).
    /// </summary>
    public int Rows { get; init; } = 8192;

    /// <summary>The seed that positions are drawn with. Default 0.</summary>
    public int Seed { get; init; }

    /// <summary>Told the share of the inputs that has been run, 0 … 1; may be null.</summary>
    public IProgress<double>? Progress { get; init; }

    internal void Validate()
    {
        if (Rows < 64)
            throw new ArgumentException($"The calibration options cannot be used: {nameof(Rows)} is {Rows}; it must be at least 64.");
    }
}
