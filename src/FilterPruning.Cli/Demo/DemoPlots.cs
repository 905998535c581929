using FilterPruning.Cli.Report;
using FilterPruning.Planning;
using ScottPlot;

namespace FilterPruning.Cli.Demo;

/// <summary>The report's plots, as PNG.</summary>
internal static class DemoPlots
{
    private const int Width = 1100;
    private static readonly Color Before = Color.FromHex("#b8c4d6");
    private static readonly Color After = Color.FromHex("#2563eb");

    /// <summary>Filters of each layer before and after.</summary>
    public static byte[] Widths(PruningPlan plan)
    {
        var layers = plan.Layers.Where(layer => layer.Kind.StartsWith("Conv", StringComparison.Ordinal) || layer.Kind == "Linear").ToArray();
        using var plot = new Plot();
        plot.Font.Set(PlotFont.Sans);
        plot.Add.Bars(layers.Select((layer, index) => new Bar { Position = index, Value = layer.OutputChannels, FillColor = Before, LineWidth = 0 }).ToArray()).LegendText = "before";
        plot.Add.Bars(layers.Select((layer, index) => new Bar { Position = index, Value = layer.KeptOutputs, FillColor = After, LineWidth = 0 }).ToArray()).LegendText = "after";
        plot.YLabel("filters");
        plot.Axes.Bottom.SetTicks([.. Enumerable.Range(0, layers.Length).Select(index => (double)index)], [.. layers.Select(layer => Shortened(layer.Name))]);
        plot.Axes.Bottom.TickLabelStyle.Rotation = -90;
        plot.Axes.Bottom.TickLabelStyle.Alignment = Alignment.MiddleRight;
        plot.Axes.Bottom.MinimumSize = 170;
        plot.Axes.Margins(bottom: 0);
        plot.ShowLegend(Alignment.UpperLeft);
        plot.HideGrid();
        return plot.GetImageBytes(Width, 460, ImageFormat.Png);
    }

    private static string Shortened(string name) =>
        name.Replace("backbone.body.", "", StringComparison.Ordinal).Replace("backbone.", "", StringComparison.Ordinal).Replace("roi_heads.", "", StringComparison.Ordinal);
}
