using FilterPruning.Planning;

namespace FilterPruning.Latency;

/// <summary>How a <see cref="LatencyModel"/> is measured. Immutable.</summary>
public sealed record LatencyOptions
{
    /// <summary>How often each layer is timed at each width, and the whole model; the median counts. At least 1; default 5.</summary>
    public int Repeats { get; init; } = 5;

    /// <summary>
    /// The shares of a layer's channels at which it is timed, on each of its sides; between them times are interpolated. Ascending, above 0, ending in 1. More are slower to measure and follow jumps
    /// more closely. Default 1/16, 1/4, 1/2, 3/4, 1.
    /// </summary>
    public IReadOnlyList<double> Shares { get; init; } = [0.0625, 0.25, 0.5, 0.75, 1];

    /// <summary>
    /// Whether <see cref="LatencyModel.ChannelMultiple"/> is measured, on the model's costliest layers. Default true; false leaves it at 1.
    /// </summary>
    public bool MeasureMultiple { get; init; } = true;

    /// <summary>
    /// A file that keeps measured times, made where it is missing: layers of the same shapes are not timed again on the same machine, device and number of threads. Default null: nothing is kept.
    /// </summary>
    public string? CachePath { get; init; }

    /// <summary>Of the random inputs that layers are timed on.</summary>
    public int Seed { get; init; }

    /// <summary>Told the share of the work that is done, 0 … 1; may be null.</summary>
    public IProgress<double>? Progress { get; init; }

    /// <summary>Throws one exception that lists everything that is wrong.</summary>
    internal void Validate()
    {
        var errors = new List<string>();
        if (Repeats < 1)
            errors.Add($"{nameof(Repeats)} is {Repeats}; allowed is 1 or more. Take an odd number, so that the median is one of the times.");
        if (Shares is not { Count: > 0 } || Shares[^1] != 1 || Shares[0] <= 0 || Shares.Zip(Shares.Skip(1)).Any(pair => !(pair.First < pair.Second)))
            errors.Add($"{nameof(Shares)} is [{(Shares is null ? "null" : string.Join(", ", Shares.Select(share => share.ToString(System.Globalization.CultureInfo.InvariantCulture))))}]; allowed are shares above 0, ascending, the last of them 1. Leave it out for the defaults.");
        LayerPattern.ThrowAll(errors);
    }
}
