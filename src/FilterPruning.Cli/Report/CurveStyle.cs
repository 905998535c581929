using ScottPlot;

namespace FilterPruning.Cli.Report;

/// <summary>Colours, markers and patterns. The colours are Okabe and Ito's, which colour-blind readers tell apart; markers tell criteria apart without them.</summary>
internal static class CurveStyle
{
    public static readonly Color Dense = Color.FromHex("#000000");
    public static readonly Color Study = Color.FromHex("#000000");
    public static readonly Color Text = Color.FromHex("#222222");

    private static readonly Color Fallback = Color.FromHex("#7a7a7a");

    private static readonly (string Criterion, string Hex, MarkerShape Marker)[] Criteria =
    [
        ("l1", "#0072b2", MarkerShape.FilledCircle),
        ("l2", "#56b4e9", MarkerShape.FilledSquare),
        ("random", "#e69f00", MarkerShape.FilledTriangleUp),
        ("gram", "#d55e00", MarkerShape.FilledDiamond),
    ];

    private static readonly (string Hex, MarkerShape Marker)[] Others =
    [
        ("#009e73", MarkerShape.FilledTriangleDown),
        ("#cc79a7", MarkerShape.OpenSquare),
        ("#8c6d31", MarkerShape.OpenCircle),
        ("#7a7a7a", MarkerShape.OpenDiamond),
    ];

    /// <summary>Colour and marker of each criterion of a picture.</summary>
    public static IReadOnlyDictionary<string, (Color Color, MarkerShape Marker)> Of(IEnumerable<string> criteria)
    {
        var styles = new Dictionary<string, (Color, MarkerShape)>(StringComparer.Ordinal);
        var next = 0;
        foreach (var criterion in criteria)
        {
            if (Array.Find(Criteria, known => known.Criterion == criterion) is { Hex: { } hex, Marker: var marker })
                styles[criterion] = (Color.FromHex(hex), marker);
            else if (next < Others.Length)
                styles[criterion] = (Color.FromHex(Others[next].Hex), Others[next++].Marker);
            else
                styles[criterion] = (Fallback, MarkerShape.Cross);
        }

        return styles;
    }

    public static LinePattern Pattern(CurveKind kind) => kind switch
    {
        CurveKind.Raw => LinePattern.Dashed,
        CurveKind.Repaired => LinePattern.Solid,
        _ => LinePattern.Dotted,
    };

    public static float Width(CurveKind kind) => kind == CurveKind.Raw ? 1.5f : 2.2f;
}
