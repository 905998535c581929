namespace FilterPruning.Schedules;

/// <summary>Ends an iterative run when a figure of merit falls too low, and gives the model back as it was after the last good step. Immutable.</summary>
public sealed record MetricGuard
{
    /// <summary>Measures the model, larger meaning better (an accuracy, an AP). Called after each step's callback; not a number counts as too low.</summary>
    public required Func<double> Metric { get; init; }

    /// <summary>The lowest value that is good enough; null when <see cref="MaximumDrop"/> is given.</summary>
    public double? Minimum { get; init; }

    /// <summary>How far the value may fall below the one measured before the first step, at least 0; null when <see cref="Minimum"/> is given.</summary>
    public double? MaximumDrop { get; init; }

    internal void Check(List<string> errors)
    {
        if (Metric is null)
            errors.Add($"{nameof(Metric)} of the guard is null; allowed is a function that measures the model. Leave the guard out to run without one.");
        if (Minimum is null == MaximumDrop is null)
            errors.Add($"{nameof(Minimum)} is {Text(Minimum)} and {nameof(MaximumDrop)} is {Text(MaximumDrop)}; allowed is exactly one of them. Give a bound, or how far the value may fall.");
        if (Minimum is { } minimum && !double.IsFinite(minimum))
            errors.Add($"{nameof(Minimum)} is {minimum}; allowed is a finite number.");
        if (MaximumDrop is { } drop && !(drop >= 0 && double.IsFinite(drop)))
            errors.Add($"{nameof(MaximumDrop)} is {drop}; allowed is a finite number of at least 0. Give 0.02 to let an accuracy fall by two points.");
    }

    private static string Text(double? value) => value?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "not given";
}
