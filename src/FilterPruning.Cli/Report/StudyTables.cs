using System.Text;

namespace FilterPruning.Cli.Report;

/// <summary>
/// The tables of the study. Every table has both readings of IoU@0.5 (mean mask IoU of matched detections with its match rate, and AP at IoU 0.5),
/// raw figures beside their share of the dense model's, and a line below it that states the dense model on the same images.
/// </summary>
internal static class StudyTables
{
    public const string NotYet = "*Not measured yet.*\n";

    private static readonly Dictionary<string, Func<StudyContext, string>> Builders = new(StringComparer.Ordinal)
    {
        ["accuracy"] = AccuracyTable.Build,
        ["measurements"] = MeasurementTable.Build,
        ["cost"] = CostTable.Build,
        ["dense"] = DenseTable.Build,
        ["goals"] = GoalTable.Build,
        ["curves"] = CurveLinks.Build,
    };

    /// <summary>The tables there are.</summary>
    public static IReadOnlyCollection<string> Kinds => Builders.Keys;

    /// <summary>Builds one table with the lines that belong below it.</summary>
    public static string Build(TableRequest request, ResultSet results) => Builders[request.Kind](new StudyContext(request, results));

    /// <summary>The standard tables of one data set, as one document.</summary>
    public static string Document(string dataset, ResultSet results)
    {
        var text = new StringBuilder($"# Tables of the study: {dataset}\n\nWritten by `filter-pruning report`; what the columns mean is in [results.md](../results.md).\n");
        foreach (var (kind, title) in new[] { ("dense", "The dense model"), ("accuracy", "Raw beside repaired"), ("cost", "Size, work and time"), ("measurements", "All figures") })
            text.Append($"\n## {title}\n\n").Append(Build(TableRequest.Parse($"{kind} dataset={dataset}"), results));
        return text.ToString();
    }
}
