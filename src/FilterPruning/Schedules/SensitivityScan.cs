using FilterPruning.Graph;
using FilterPruning.Surgery;

namespace FilterPruning.Schedules;

/// <summary>Measures how much each role of a model matters: how far a metric falls when that role alone loses a share of its channels.</summary>
/// <remarks>
/// The channels are really cut and put back bit by bit, not masked: zeros in their place are not the same to a layer that normalises or attends over channels, the
/// cut is proved as any other, and the metric runs on the smaller model. Roles are scanned in data order, each with its ratios ascending. All points are independent: processes and machines can
/// take a <see cref="Shard"/> each, and their files are joined to the file that one process would have written.
/// </remarks>
public static class SensitivityScan
{
    /// <summary>Scans a model.</summary>
    /// <param name="graph">The traced model. It is left exactly as found, also when the metric throws.</param>
    /// <param name="metric">
    /// Measures the model, larger meaning better; it must be finite and should always give the same for the same weights. It is called once for the whole model
    /// and once for each point that removes something new, should put the model into evaluation mode itself, and must not train or cut it.
    /// </param>
    /// <param name="options">What is scanned; null for the defaults.</param>
    /// <param name="cancellation">Looked at before each point; what was measured stays in the file.</param>
    /// <returns>All points; with a <see cref="SensitivityOptions.Shard"/> its own alone.</returns>
    /// <exception cref="ArgumentException">Options that cannot be used; lists all of them.</exception>
    /// <exception cref="PruningException">The file is of another scan or damaged, the metric is not finite, or a cut cannot be made.</exception>
    /// <exception cref="OperationCanceledException">The scan was cancelled.</exception>
    public static SensitivityResult Run(DependencyGraph graph, Func<double> metric, SensitivityOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(graph);
        ArgumentNullException.ThrowIfNull(metric);
        options ??= new SensitivityOptions();
        options.Validate();
        cancellation.ThrowIfCancellationRequested();
        using var scope = NewDisposeScope();
        var points = new ScanPoints(graph, options);
        var joined = JoinedScans.Read(points, options);
        using var file = options.File is { } path ? SensitivityFile.Open(path, points.Header, points.Contains) : null;
        var baseline = joined.Agreed(file?.Baseline, options.File) ?? Measure(metric, "the whole model");
        file?.Begin(baseline);

        var found = new List<SensitivityPoint>();
        foreach (var (unit, ratio) in points.Wanted)
        {
            cancellation.ThrowIfCancellationRequested();
            var point = file?.Find(unit.Name, ratio) ?? joined.Find(unit.Name, ratio) ?? Point(points.Units, unit, ratio, baseline, found, metric, graph, options.Pruning.Optimizers);
            file?.Add(point);
            found.Add(point);
            options.Progress?.Report(new SensitivityProgress(point, found.Count, points.Wanted.Count));
        }

        return new SensitivityResult(baseline, options.Ratios, found);
    }

    /// <summary>The points that neither <see cref="SensitivityOptions.File"/> nor one of <see cref="SensitivityOptions.Join"/> has: what a scan would measure. Changes nothing.</summary>
    /// <param name="graph">The traced model.</param>
    /// <param name="options">The scan's options; null for the defaults.</param>
    /// <returns>Roles and ratios, in the order of the scan.</returns>
    /// <exception cref="ArgumentException">Options that cannot be used; lists all of them.</exception>
    /// <exception cref="PruningException">A file is of another scan or damaged, or files disagree.</exception>
    public static IReadOnlyList<(string Role, double Ratio)> Missing(DependencyGraph graph, SensitivityOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(graph);
        options ??= new SensitivityOptions();
        options.Validate();
        using var scope = NewDisposeScope();
        var points = new ScanPoints(graph, options);
        var known = JoinedScans.Read(points, options with { Join = options.File is { } path && System.IO.File.Exists(path) ? [path, .. options.Join] : options.Join });
        return [.. points.Wanted.Select(point => (point.Unit.Name, point.Ratio)).Where(point => known.Find(point.Name, point.Ratio) is null)];
    }

    /// <summary>Reads a finished scan from its file.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="PruningException">The file cannot be read, is no scan, or is not finished.</exception>
    public static SensitivityResult Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return SensitivityFile.Load(path);
    }

    private static SensitivityPoint Point(
        ScanUnits units, ScanUnit unit, double ratio, double baseline, List<SensitivityPoint> known, Func<double> metric, DependencyGraph graph,
        IReadOnlyList<optim.Optimizer> optimizers)
    {
        var counts = units.Alone(unit, (decimal)ratio);
        var removed = counts.Sum();
        var of = unit.Roles.Sum(role => units.Roles[role].Groups.Length);
        double value;
        if (removed == 0)
        {
            value = baseline;
        }
        else if (known.Count > 0 && known[^1] is var before && before.Role == unit.Name && before.Removed == removed)
        {
            value = before.Metric;
        }
        else
        {
            using var cut = Surgeon.Apply(graph, units.Plan(counts), new SurgeryOptions { Optimizers = optimizers });
            try
            {
                value = Measure(metric, $"'{unit.Name}' without {removed} of its {of} channel groups");
            }
            finally
            {
                cut.Undo();
            }
        }

        return new SensitivityPoint(unit.Name, ratio, removed, of, value);
    }

    private static double Measure(Func<double> metric, string what)
    {
        var value = metric();
        return double.IsFinite(value) ? value : throw new PruningException($"The metric gave {value} for {what}; it must be finite. Let it give its worst value instead.");
    }
}
