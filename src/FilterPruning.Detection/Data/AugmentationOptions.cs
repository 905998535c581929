namespace FilterPruning.Detection.Data;

/// <summary>How much <see cref="DetectionTransforms.Augment"/> changes a sample.</summary>
public sealed record AugmentationOptions
{
    /// <summary>Probability of mirroring left and right, 0 … 1. Default 0.5.</summary>
    public double FlipProbability { get; init; } = 0.5;

    /// <summary>Smallest factor of size, above 0. Default 0.8.</summary>
    public double MinScale { get; init; } = 0.8;

    /// <summary>Largest factor of size, <see cref="MinScale"/> … 8. Default 1.25.</summary>
    public double MaxScale { get; init; } = 1.25;

    /// <summary>Throws one <see cref="ArgumentException"/> that lists every value out of its range.</summary>
    internal void Validate(string parameterName)
    {
        var errors = new List<string>();
        if (!(FlipProbability is >= 0 and <= 1))
            errors.Add($"{nameof(FlipProbability)} is {FlipProbability}, allowed is 0 … 1");
        if (!(MinScale is > 0 and <= 8))
            errors.Add($"{nameof(MinScale)} is {MinScale}, allowed is above 0 … 8");
        if (!(MaxScale >= MinScale && MaxScale <= 8))
            errors.Add($"{nameof(MaxScale)} is {MaxScale}, allowed is {nameof(MinScale)} ({MinScale}) … 8");
        if (errors.Count > 0)
            throw new ArgumentException($"{nameof(AugmentationOptions)}: {string.Join("; ", errors)}.", parameterName);
    }
}
