using ScottPlot;
using SkiaSharp;

namespace FilterPruning.Cli.Report;

/// <summary>The font of plots: the first sans-serif family that the machine has.</summary>
internal static class PlotFont
{
    // ScottPlot's own default resolves to whatever comes first where none of its names is installed, on a bare server a serif.
    private static readonly string[] Wanted = ["DejaVu Sans", "Liberation Sans", "Arial", "Helvetica", "Segoe UI"];

    public static string Sans { get; } = Array.Find(Wanted, SKFontManager.Default.FontFamilies.Contains) ?? Fonts.Sans;
}
