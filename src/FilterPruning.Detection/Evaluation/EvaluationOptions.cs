namespace FilterPruning.Detection.Evaluation;

/// <summary>How <see cref="DetectionEvaluator"/> evaluates.</summary>
public sealed record EvaluationOptions
{
    /// <summary>Which images of the data set, by index. Default all. A range that reaches beyond the data set is an error.</summary>
    public Range Images { get; init; } = Range.All;

    /// <summary>How many images are given to the detector at a time, from 1. Default 1. More is faster where the detector batches; the figures stay the same but for rounding.</summary>
    public int BatchSize { get; init; } = 1;

    /// <summary>A pixel is inside a mask whose probability is above this, 0 … 1. Default 0.5.</summary>
    public double MaskThreshold { get; init; } = 0.5;

    /// <summary>Smallest IoU of a pair in <see cref="EvaluationResult.IouAt50"/> and the match rate, above 0 and at most 1. Default 0.5.</summary>
    public double MatchIou { get; init; } = 0.5;

    /// <summary>Only detections with a score above this count in <see cref="EvaluationResult.IouAt50"/> and the match rate. Default 0.5. COCO's figures take all scores.</summary>
    public double MatchScore { get; init; } = 0.5;

    /// <summary>How many times the images are drawn anew for <see cref="EvaluationResult.Intervals"/>; 0, the default, for no intervals. 1000 is usual, and takes well under a second.</summary>
    public int BootstrapResamples { get; init; }

    /// <summary>The seed of these draws. Default 0.</summary>
    public long BootstrapSeed { get; init; }

    /// <summary>Throws one exception that lists everything that is wrong.</summary>
    internal void Validate()
    {
        var wrong = new List<string>();
        if (BatchSize < 1)
            wrong.Add($"BatchSize is {BatchSize}; it must be at least 1");
        if (!(MaskThreshold is >= 0 and <= 1))
            wrong.Add($"MaskThreshold is {MaskThreshold}; it must be 0 … 1");
        if (!(MatchIou is > 0 and <= 1))
            wrong.Add($"MatchIou is {MatchIou}; it must be above 0 and at most 1");
        if (double.IsNaN(MatchScore))
            wrong.Add("MatchScore is NaN; it must be a number");
        if (BootstrapResamples < 0)
            wrong.Add($"BootstrapResamples is {BootstrapResamples}; it must be 0 (no intervals) or more");
        if (wrong.Count > 0)
            throw new ArgumentException($"The evaluation options are wrong: {string.Join("; ", wrong)}.");
    }
}
