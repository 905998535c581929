namespace FilterPruning.Cli.Report;

/// <summary>Points that differ in nothing but their seed.</summary>
internal sealed class ResultGroup
{
    private readonly ResultPoint[] _measured;

    public ResultGroup(IEnumerable<ResultPoint> points)
    {
        Points = [.. points];
        _measured = [.. Points.Where(point => point.IsMeasured)];
    }

    public IReadOnlyList<ResultPoint> Points { get; }

    /// <summary>The key of the first; its seed means nothing.</summary>
    public PointKey Key => Points[0].Key;

    /// <summary>How many seeds were measured.</summary>
    public int Seeds => _measured.Length;

    public bool IsMeasured => _measured.Length > 0;

    public bool IsRaw => Points[0].IsRaw;

    /// <summary>Why nothing was measured; null when something was.</summary>
    public string? WhyNot => IsMeasured ? null : Points[0].Status;

    /// <summary>A figure over the seeds.</summary>
    public Spread? Of(Func<ResultPoint, double?> figure) => Spread.Of(_measured.Select(figure));

    /// <summary>A figure's mean over the seeds.</summary>
    public double? Mean(Func<ResultPoint, double?> figure) => Of(figure)?.Mean;

    /// <summary>The hull of the seeds' intervals: from the lowest low to the highest high.</summary>
    public (double Low, double High)? Interval(Func<ResultPoint, double?> low, Func<ResultPoint, double?> high) =>
        Of(low) is { } lows && Of(high) is { } highs ? (lows.Low, highs.High) : null;

    /// <summary>Groups points, in the order of criterion, scope, layers, amount and repair.</summary>
    public static IReadOnlyList<ResultGroup> From(IEnumerable<ResultPoint> points) =>
        [.. points.GroupBy(point => point.Key with { Seed = 0 }).Select(group => new ResultGroup(group)).Order(ResultOrder.Instance)];
}
