using ScottPlot;

namespace FilterPruning.Cli.Report;

/// <summary>A picture's head: its title, and what its colours and lines mean.</summary>
internal static class CurveKey
{
    private const float FontSize = 14;
    private const int Swatch = 44;
    private const int Indent = 16;

    private const int RowHeight = 26;
    private const int Margin = 6;

    // The title, the criteria, the kinds of line, the study.
    private const int Rows = 4;

    /// <summary>The height of the whole key, in pixels.</summary>
    public const int Height = (Rows * RowHeight) + (2 * Margin);

    public static Plot Draw(string title, IReadOnlyDictionary<string, (Color Color, MarkerShape Marker)> styles, IReadOnlySet<CurveKind> kinds, bool hasBand, bool hasStudy, int width)
    {
        var plot = new Plot();
        plot.Font.Set(PlotFont.Sans);
        plot.Layout.Frameless();
        plot.HideGrid();
        // One unit is one pixel, from the top.
        plot.Axes.SetLimits(0, width, -Height, 0);
        Write(plot, title, Indent, 0, FontSize + 3, bold: true);

        var column = Math.Min(260, (width - Indent) / Math.Max(1, styles.Count));
        foreach (var ((criterion, style), index) in styles.Select((style, index) => (style, index)))
        {
            var x = Indent + (index * column);
            Line(plot, x, 1, style.Color, LinePattern.Solid, 2.2f);
            plot.Add.Marker(x + (Swatch / 2), Middle(1), style.Marker, 9, style.Color);
            Write(plot, criterion, x + Swatch + 8, 1);
        }

        var entries = new List<(string Text, Action<int> Draw)>();
        foreach (var (kind, text) in new[] { (CurveKind.Raw, "raw"), (CurveKind.Repaired, "repaired, no training"), (CurveKind.FineTuned, "fine-tuned") })
        {
            if (kinds.Contains(kind))
                entries.Add((text, x => Line(plot, x, 2, CurveStyle.Text, CurveStyle.Pattern(kind), CurveStyle.Width(kind))));
        }

        entries.Add(("dense", x => Line(plot, x, 2, CurveStyle.Dense, LinePattern.DenselyDashed, 1.2f)));
        if (hasBand)
            entries.Add(("lowest to highest seed", x => Band(plot, x)));
        var spacing = Math.Min(260, (width - Indent) / entries.Count);
        foreach (var ((text, draw), index) in entries.Select((entry, index) => (entry, index)))
        {
            draw(Indent + (index * spacing));
            Write(plot, text, Indent + (index * spacing) + Swatch + 8, 2);
        }

        if (hasStudy)
        {
            plot.Add.Marker(Indent + (Swatch / 2), Middle(3), MarkerShape.Eks, 13, CurveStyle.Study).MarkerLineWidth = 2.5f;
            Write(plot, StudyReference.Name, Indent + Swatch + 8, 3);
        }

        return plot;
    }

    private static double Middle(int row) => -Margin - ((row + 0.5) * RowHeight);

    private static void Line(Plot plot, int x, int row, Color color, LinePattern pattern, float width)
    {
        var line = plot.Add.Line(x, Middle(row), x + Swatch, Middle(row));
        line.Color = color;
        line.LinePattern = pattern;
        line.LineWidth = width;
        line.MarkerSize = 0;
    }

    private static void Band(Plot plot, int x)
    {
        var band = plot.Add.Rectangle(x, x + Swatch, Middle(2) - 7, Middle(2) + 7);
        band.FillColor = CurveStyle.Text.WithOpacity(0.2);
        band.LineWidth = 0;
    }

    private static void Write(Plot plot, string text, int x, int row, float size = FontSize, bool bold = false)
    {
        var written = plot.Add.Text(text, x, Middle(row));
        written.LabelFontSize = size;
        written.LabelBold = bold;
        written.LabelFontColor = CurveStyle.Text;
        written.LabelAlignment = Alignment.MiddleLeft;
    }
}
