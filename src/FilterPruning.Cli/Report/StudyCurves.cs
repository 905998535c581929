using ScottPlot;
using SkiaSharp;

namespace FilterPruning.Cli.Report;

/// <summary>
/// The study's curves, one picture for each data set and figure: a column for each scope, a row for each thing that it is drawn over (filters removed,
/// parameters, MACs, latency). The same results give the same bytes on the same machine.
/// </summary>
internal static class StudyCurves
{
    private const int PanelWidth = 380;
    private const int PanelHeight = 280;
    private const int TitleHeight = 24;

    /// <summary>The pictures: file name and PNG.</summary>
    public static IEnumerable<(string Name, byte[] Png)> Draw(ResultSet results)
    {
        foreach (var dataset in results.Points.GroupBy(point => point.Key.Dataset).OrderBy(group => group.Key, StringComparer.Ordinal))
        {
            var lines = CurveLine.Of(dataset);
            foreach (var metric in CurveMetric.All)
            {
                if (lines.Any(line => line.Groups.Any(group => group.Of(metric.Figure) is not null)))
                    yield return ($"{dataset.Key}-{metric.FileName}.png", Picture(dataset.Key, lines, metric));
            }
        }
    }

    private static byte[] Picture(string dataset, IReadOnlyList<CurveLine> lines, CurveMetric metric)
    {
        string[] scopes = [.. lines.Select(line => line.Scope).Distinct().OrderBy(ResultOrder.OfScope)];
        var styles = CurveStyle.Of(lines.Select(line => line.Criterion).Distinct().OrderBy(ResultOrder.OfCriterion));
        CurveAxis[] axes = [.. CurveAxis.All.Where(axis => lines.Any(line => line.Groups.Skip(1).Any(group => axis.Position(group) is not null)))];
        var dense = lines[0].Groups.FirstOrDefault(group => group.Points[0].IsDense)?.Mean(metric.Figure);

        // Narrower than two panels the key does not fit.
        var width = PanelWidth * Math.Max(2, scopes.Length);
        const int head = CurveKey.Height;
        var height = head + TitleHeight + (PanelHeight * axes.Length);
        using var bitmap = new SKBitmap(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque);
        using var canvas = new SKCanvas(bitmap);
        canvas.Clear(SKColors.White);

        var hasBand = lines.Any(line => line.Groups.Any(group => group.Seeds > 1));
        using (var key = CurveKey.Draw($"{dataset}: {metric.Label}", styles, lines.Select(line => line.Kind).ToHashSet(), hasBand, metric.HasStudy, width))
            Paste(canvas, key, 0, 0, width, head);
        for (var row = 0; row < axes.Length; row++)
        {
            var range = Range(lines, axes[row], metric);
            var top = row == 0 ? head : head + TitleHeight + (row * PanelHeight);
            var bottom = head + TitleHeight + ((row + 1) * PanelHeight);
            for (var column = 0; column < scopes.Length; column++)
            {
                using var panel = CurvePanel.Draw([.. lines.Where(line => line.Scope == scopes[column])], axes[row], metric, styles, range, dense, row == 0 ? scopes[column] : null);
                Paste(canvas, panel, column * PanelWidth, top, PanelWidth, bottom - top);
            }
        }

        // Sixteen levels of each colour are enough for lines and their edges, and line art is smallest without row filters.
        Coarsen(bitmap.GetPixelSpan());
        using var pixels = bitmap.PeekPixels();
        using var data = pixels?.Encode(new SKPngEncoderOptions(SKPngEncoderFilterFlags.NoFilters, 9)) ?? throw new InvalidOperationException("The picture could not be written as PNG.");
        return data.ToArray();
    }

    private static void Coarsen(Span<byte> levels)
    {
        const int Step = 17;
        for (var index = 0; index < levels.Length; index++)
            levels[index] = (byte)((levels[index] + (Step / 2)) / Step * Step);
    }

    // A plot clears the whole canvas that it is rendered on, so each gets one of its own.
    private static void Paste(SKCanvas canvas, Plot plot, int x, int y, int width, int height)
    {
        using var bitmap = new SKBitmap(width, height);
        using (var own = new SKCanvas(bitmap))
            plot.Render(own, width, height);
        canvas.DrawBitmap(bitmap, x, y);
    }

    private static (double Low, double High) Range(IReadOnlyList<CurveLine> lines, CurveAxis axis, CurveMetric metric)
    {
        double[] positions =
        [
            0,
            .. lines.SelectMany(line => line.Groups).Where(group => group.Of(metric.Figure) is not null).Select(axis.Position).OfType<double>(),
            .. metric.HasStudy && axis.Study is { } study ? new[] { study } : [],
        ];
        return axis.IsShare ? (positions.Min(), Math.Max(0.5, positions.Max())) : (0, Math.Max(0.5, positions.Max()));
    }
}
