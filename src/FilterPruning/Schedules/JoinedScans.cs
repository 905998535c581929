namespace FilterPruning.Schedules;

/// <summary>What other files of the same scan know.</summary>
internal sealed class JoinedScans
{
    // What another compiler or another number of threads may change in a mean of many values; far below what a pruned layer changes.
    private const double Agreement = 1e-6;

    private readonly Dictionary<(string Role, double Ratio), (SensitivityPoint Point, string File)> _points = [];
    private (double Value, string File)? _baseline;

    private JoinedScans()
    {
    }

    /// <exception cref="PruningException">A file cannot be read, is of another scan or damaged, or two of them disagree.</exception>
    public static JoinedScans Read(ScanPoints points, SensitivityOptions options)
    {
        var joined = new JoinedScans();
        foreach (var path in options.Join)
        {
            if (joined.Agreed(SensitivityFile.Collect(path, points.Header, points.Contains, joined._points), path) is { } baseline)
                joined._baseline ??= (baseline, path);
        }

        return joined;
    }

    public SensitivityPoint? Find(string role, double ratio) => _points.TryGetValue((role, ratio), out var known) ? known.Point : null;

    /// <summary>The metric of the whole model, if one is known.</summary>
    /// <exception cref="PruningException">Another file has another one: their drops could not be compared.</exception>
    public double? Agreed(double? value, string? file)
    {
        if (value is { } given && _baseline is var (known, first) && Math.Abs(given - known) > Agreement * Math.Max(1, Math.Abs(known)))
        {
            throw new PruningException(FormattableString.Invariant(
                $"The whole model measures {given} in '{file}' and {known} in '{first}', so their drops cannot be compared. Make the metric give the same every time and on every machine, or leave one of the files out."));
        }

        return _baseline?.Value ?? value;
    }
}
