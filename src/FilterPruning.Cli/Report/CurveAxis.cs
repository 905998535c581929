namespace FilterPruning.Cli.Report;

/// <summary>What a curve runs over.</summary>
/// <param name="Label">Below the axis.</param>
/// <param name="Position">Where a group stands; null to leave it out.</param>
/// <param name="Study">Where the study's point stands; null where it cannot be told.</param>
/// <param name="IsShare">Whether positions are shares of the dense model, drawn by powers of two, smaller to the right.</param>
internal sealed record CurveAxis(string Label, Func<ResultGroup, double?> Position, double? Study, bool IsShare)
{
    public static readonly IReadOnlyList<CurveAxis> All =
    [
        new("filters removed", CurveLine.Removed, StudyReference.Ratio, IsShare: false),
        new("parameters, of dense", group => Share(1 / group.Mean(point => point.Compression)), Share(1 / StudyReference.Compression), IsShare: true),
        new("MACs, of dense", group => Share(group.Mean(point => point.MacsShare)), null, IsShare: true),
        new("median latency, of dense in the same run", group => Share(1 / group.Mean(point => point.MeasuredSpeedup)), null, IsShare: true),
    ];

    /// <summary>Ticks between two positions: positions and labels.</summary>
    public (double[] Positions, string[] Labels) Ticks(double low, double high)
    {
        if (!IsShare)
        {
            double[] ratios = [.. Enumerable.Range(0, 6).Select(index => index / 5.0)];
            return (ratios, [.. ratios.Select(ratio => Figures.Percent(ratio, "0"))]);
        }

        // Whole powers of two, halves between them where the range is short, every second where it is long.
        var step = high - low > 6 ? 2.0 : high - low > 2.5 ? 1.0 : 0.5;
        double[] positions = [.. Enumerable.Range((int)Math.Ceiling(low / step), 64).Select(index => index * step).TakeWhile(position => position <= high + 1e-9)];
        return (positions, [.. positions.Select(position => Figures.Percent(Math.Pow(2, -position), position > 3 ? "0.#" : "0"))]);
    }

    private static double? Share(double? share) => share is { } value && value > 0 && double.IsFinite(value) ? -Math.Log2(value) : null;
}
