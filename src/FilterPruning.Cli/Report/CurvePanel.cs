using ScottPlot;

namespace FilterPruning.Cli.Report;

/// <summary>One panel of a picture: the lines of one scope over one axis.</summary>
internal static class CurvePanel
{
    private const float FontSize = 14;
    private const float BandOpacity = 0.2f;

    /// <param name="lines">What is drawn.</param>
    /// <param name="axis">What they run over.</param>
    /// <param name="metric">What they show.</param>
    /// <param name="styles">Colour and marker by criterion.</param>
    /// <param name="range">Of the axis, the same for all panels of a row.</param>
    /// <param name="dense">The dense model's level.</param>
    /// <param name="title">Above the panel; null for none.</param>
    public static Plot Draw(
        IReadOnlyList<CurveLine> lines, CurveAxis axis, CurveMetric metric, IReadOnlyDictionary<string, (Color Color, MarkerShape Marker)> styles,
        (double Low, double High) range, double? dense, string? title)
    {
        var plot = new Plot();
        plot.Font.Set(PlotFont.Sans);
        foreach (var line in lines.OrderBy(line => line.Kind))
            Add(plot, line, axis, metric, styles[line.Criterion]);
        if (dense is { } level)
        {
            var horizontal = plot.Add.HorizontalLine(level, width: 1.2f, color: CurveStyle.Dense, pattern: LinePattern.DenselyDashed);
            horizontal.EnableAutoscale = false;
        }

        if (metric.HasStudy && axis.Study is { } study)
            plot.Add.Marker(study, StudyReference.IouAt50, MarkerShape.Eks, 13, CurveStyle.Study).MarkerLineWidth = 2.5f;
        Dress(plot, axis, metric, range, title);
        return plot;
    }

    private static void Add(Plot plot, CurveLine line, CurveAxis axis, CurveMetric metric, (Color Color, MarkerShape Marker) style)
    {
        var points = line.Groups.Select(group => (X: axis.Position(group), Y: group.Of(metric.Figure))).Where(point => point.X is not null && point.Y is not null)
            .Select(point => (X: point.X!.Value, Y: point.Y!.Value)).OrderBy(point => point.X).ToArray();
        if (points.Length == 0)
            return;
        double[] positions = [.. points.Select(point => point.X)];
        if (points.Any(point => point.Y.Count > 1))
        {
            var band = plot.Add.FillY(positions, [.. points.Select(point => point.Y.Low)], [.. points.Select(point => point.Y.High)]);
            band.FillColor = style.Color.WithOpacity(BandOpacity);
            band.LineWidth = 0;
            band.MarkerSize = 0;
        }

        var scatter = plot.Add.Scatter(positions, points.Select(point => point.Y.Mean).ToArray(), style.Color);
        scatter.LinePattern = CurveStyle.Pattern(line.Kind);
        scatter.LineWidth = CurveStyle.Width(line.Kind);
        scatter.MarkerShape = style.Marker;
        scatter.MarkerSize = line.Kind == CurveKind.Raw ? 5 : 7;
    }

    private static void Dress(Plot plot, CurveAxis axis, CurveMetric metric, (double Low, double High) range, string? title)
    {
        var margin = 0.04 * (range.High - range.Low);
        plot.Axes.SetLimits(range.Low - margin, range.High + margin, metric.Lowest - (0.02 * (1 - metric.Lowest)), 1.02);
        var (positions, labels) = axis.Ticks(range.Low, range.High);
        plot.Axes.Bottom.SetTicks(positions, labels);
        double[] levels = [.. Enumerable.Range(0, 6).Select(index => metric.Lowest + ((1 - metric.Lowest) * index / 5))];
        plot.Axes.Left.SetTicks(levels, [.. levels.Select(level => Figures.Text(level, "0.0"))]);
        plot.Axes.Bottom.TickLabelStyle.FontSize = FontSize;
        plot.Axes.Left.TickLabelStyle.FontSize = FontSize;
        plot.XLabel(axis.Label, FontSize);
        plot.Axes.Bottom.Label.Bold = false;
        if (title is not null)
            plot.Title(title, FontSize + 2);
        plot.Layout.Fixed(new PixelPadding(left: 44, right: 12, bottom: 52, top: title is null ? 10 : 34));
    }
}
