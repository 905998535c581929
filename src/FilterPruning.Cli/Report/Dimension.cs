namespace FilterPruning.Cli.Report;

/// <summary>A part of the key as a table shows it: in a column where it varies among the rows, in the line below the table where it does not.</summary>
/// <param name="Header">The column's header.</param>
/// <param name="Cell">What stands in a row.</param>
/// <param name="Caption">The same as part of a sentence; null to leave it out there.</param>
/// <param name="Always">Whether it is a column even where it does not vary.</param>
internal sealed record Dimension(string Header, Func<ResultGroup, string> Cell, Func<ResultGroup, string?> Caption, bool Always = false)
{
    public static readonly Dimension Dataset = new("data", group => group.Key.Dataset, group => group.Key.Dataset);
    public static readonly Dimension Model = new("model", group => group.Key.Model, group => group.Key.Model);
    public static readonly Dimension Checkpoint = new("checkpoint", group => group.Key.Checkpoint, group => group.Key.Checkpoint.Length == 0 ? null : $"checkpoint {group.Key.Checkpoint}");
    public static readonly Dimension Layers = new("layers", group => group.Key.Layers, group => $"layers: {group.Key.Layers}");
    public static readonly Dimension Criterion = new("criterion", group => group.Seeds > 1 ? $"{group.Key.Criterion}, {Number(group.Seeds)} seeds" : group.Key.Criterion, _ => null, Always: true);
    public static readonly Dimension Scope = new("scope", group => group.Key.Scope, _ => null, Always: true);
    public static readonly Dimension Amount = new("to remove", group => group.Key.Amount, _ => null, Always: true);
    public static readonly Dimension Repair = new("repair", Repaired, group => $"repair: {Repaired(group)}");
    public static readonly Dimension EvalImages = new("test images", group => Number(group.Key.EvalImages), group => group.Key.EvalImages is { } images ? $"{Number(images)} test images" : null);
    public static readonly Dimension EvalSize = new("short side", group => Number(group.Key.EvalSize), group => group.Key.EvalSize is { } size ? $"short side {Number(size)} px" : null);

    /// <summary>All, in the order of the columns.</summary>
    public static readonly IReadOnlyList<Dimension> All = [Dataset, Model, Checkpoint, EvalImages, EvalSize, Layers, Criterion, Scope, Amount, Repair];

    /// <summary>The dimensions that become columns of a table with these rows.</summary>
    public static IReadOnlyList<Dimension> Columns(IReadOnlyList<ResultGroup> rows) =>
        [.. All.Where(dimension => dimension.Always || rows.Select(dimension.Cell).Distinct().Skip(1).Any())];

    /// <summary>How a group is repaired and trained on.</summary>
    public static string Repaired(ResultGroup group)
    {
        var text = group.Key.Repair;
        if (group.Key.Images is { } images && group.Key.Repair != ResultPoint.NoRepair)
            text += $" ({Number(images)} images)";
        text += group.Key.Tuned;
        return group.Key.Variant is { } variant ? $"{text} ({variant})" : text;
    }

    private static string Number(int? value) => value is { } there ? Figures.Text(there, "0") : Figures.None;
}
