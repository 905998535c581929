using FilterPruning.Graph;

namespace FilterPruning.Schedules;

/// <summary>The points of a scan.</summary>
internal sealed class ScanPoints
{
    private readonly HashSet<string> _names;
    private readonly IReadOnlyList<double> _ratios;

    public ScanPoints(DependencyGraph graph, SensitivityOptions options)
    {
        Units = new ScanUnits(graph, options.Pruning with { LayerRatios = [] });
        _names = Units.Units.Select(unit => unit.Name).ToHashSet(StringComparer.Ordinal);
        _ratios = options.Ratios;
        Header = ScanHeader.Of(graph, options, _names.Count * _ratios.Count);
        Wanted = [.. Units.Units.Where((_, index) => options.Shard?.Holds(index) ?? true).SelectMany(unit => _ratios.Select(ratio => (unit, ratio)))];
    }

    public ScanUnits Units { get; }

    /// <summary>What every file of the scan begins with, whatever part it holds; the baseline aside.</summary>
    public ScanHeader Header { get; }

    /// <summary>What is asked for, in order: all points, or those of a shard.</summary>
    public IReadOnlyList<(ScanUnit Unit, double Ratio)> Wanted { get; }

    /// <summary>Whether the whole scan has a point.</summary>
    public bool Contains(SensitivityPoint point) => _names.Contains(point.Role) && _ratios.Contains(point.Ratio);
}
