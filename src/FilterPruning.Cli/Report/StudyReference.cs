namespace FilterPruning.Cli.Report;

/// <summary>The study's own figures, on its own data: Y. Frühwirth, structured filter pruning of Mask R-CNN by L1 norm (AKWI 2024).</summary>
internal static class StudyReference
{
    public const double Ratio = 0.4;
    public const double Compression = 1.25;
    public const double IouAt50 = 0.72;

    /// <summary>How the study stands in legends.</summary>
    public const string Name = "Frühwirth 2024, own data: 40 %, 1.25 ×, 0.72";

    /// <summary>The row's cells after the dimensions, in the columns of the accuracy table. Whether its 0.72 is a mean IoU or an AP is not said.</summary>
    public static IReadOnlyList<string> Cells { get; } =
        ["1.25", "0.72 (if it means AP)", Figures.None, Figures.None, Figures.None, Figures.None, Figures.None, Figures.None, "0.72 (if it means IoU)", Figures.None, Figures.None, Figures.None];

    public static string CellOf(Dimension dimension) => dimension.Header switch
    {
        "criterion" => "Frühwirth 2024 (l1)",
        "scope" => "global-raw",
        "to remove" => "40 %",
        "layers" => "not said",
        "repair" => ResultPoint.NoRepair,
        _ => Figures.None,
    };
}
