namespace FilterPruning.Surgery;

/// <summary>How a cut is proved. Immutable.</summary>
public sealed record SurgeryOptions
{
    /// <summary>
    /// The largest difference between an output of the pruned model and that of its masked self, relative to the largest absolute value of that
    /// output. Default 1e-4: a sum of K float32 terms taken in another order differs by about √K · 6·10⁻⁸ of the size of its terms; for
    /// K = 12,544, the widest layer of Mask R-CNN, that is 7·10⁻⁶, and the terms may be ten times larger than their sum. Layers in half precision
    /// are given at least 1e-2, in bfloat16 5e-2, about ten times their rounding step. Above 0.
    /// </summary>
    public double Tolerance { get; init; } = 1e-4;

    /// <summary>Whether to trace the model again after the cut and compare its ties with the expected ones. Default false.</summary>
    public bool VerifyTrace { get; init; }

    /// <summary>Throws one exception that lists everything that is wrong.</summary>
    internal void Validate()
    {
        if (!(Tolerance > 0 && double.IsFinite(Tolerance)))
            throw new ArgumentException($"{nameof(Tolerance)} is {Tolerance}; allowed is a finite number above 0. Leave it out to use 1e-4.", "options");
    }
}
