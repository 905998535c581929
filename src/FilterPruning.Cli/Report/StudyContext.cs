using System.Text;

namespace FilterPruning.Cli.Report;

/// <summary>What a table is built from: the groups that were asked for, and the dense models that they are compared with.</summary>
internal sealed class StudyContext
{
    private readonly Dictionary<(string, string, string, int?, int?), ResultPoint> _dense = [];

    public StudyContext(TableRequest request, ResultSet results)
    {
        Request = request;
        foreach (var point in results.Points.Where(point => point.IsDense && point.IsMeasured))
            _dense.TryAdd(Comparable(point.Key), point);
        Groups = ResultGroup.From(results.Points.Where(request.Wants));
        All = ResultGroup.From(results.Points);
    }

    public TableRequest Request { get; }

    /// <summary>The groups that were asked for, measured or not, in the order of tables.</summary>
    public IReadOnlyList<ResultGroup> Groups { get; }

    /// <summary>All groups, whatever was asked for.</summary>
    public IReadOnlyList<ResultGroup> All { get; }

    /// <summary>The dense models, in the order in which they were measured.</summary>
    public IEnumerable<ResultPoint> DenseModels => _dense.Values;

    /// <summary>The dense model measured on the same images, or null.</summary>
    public ResultPoint? DenseOf(ResultGroup group) => _dense.GetValueOrDefault(Comparable(group.Key));

    /// <summary>A figure's mean as a share of the dense model's; null where either is missing or the dense one is zero.</summary>
    public double? OfDense(ResultGroup? group, Func<ResultPoint, double?> figure) =>
        group?.Mean(figure) is { } value && DenseOf(group) is { } dense && figure(dense) is { } whole && whole > 0 ? value / whole : null;

    /// <summary>The lines below a table: what all its rows have in common, the dense model, and what was not measured.</summary>
    public string Below(IReadOnlyList<ResultGroup> rows, IReadOnlyCollection<Dimension> columns)
    {
        if (rows.Count == 0)
            return "";
        var text = new StringBuilder("\n");
        var common = Dimension.All.Except(columns).Select(dimension => dimension.Caption(rows[0])).OfType<string>();
        text.Append($"All rows: {string.Join("; ", common)}.");
        foreach (var dense in rows.Select(DenseOf).OfType<ResultPoint>().Distinct())
            text.Append(' ').Append(DenseTable.Sentence(dense, withName: rows.Select(DenseOf).Distinct().Skip(1).Any()));
        text.Append('\n');
        if (rows.Any(row => row.Seeds > 1))
            text.Append("\nSeveral seeds: mean ± standard deviation (lowest–highest); the interval then runs from the lowest to the highest bound of any seed.\n");
        foreach (var group in rows.Where(row => !row.IsMeasured).DistinctBy(row => row.Key))
            text.Append($"\nNot measured: {group.Key.Criterion}, {group.Key.Scope}, {group.Key.Amount}, {Dimension.Repaired(group)}: {group.WhyNot}\n");
        foreach (var note in rows.SelectMany(row => row.Points).Where(point => point.Note is not null && !point.IsDense).GroupBy(point => point.Note))
            text.Append($"\nNote ({string.Join("; ", note.Select(point => $"{point.Key.Criterion}, {point.Key.Scope}, {point.Key.Amount}, {point.Key.Repair}").Distinct())}): {note.Key}\n");
        return text.ToString();
    }

    private static (string, string, string, int?, int?) Comparable(PointKey key) => (key.Dataset, key.Model, key.Checkpoint, key.EvalImages, key.EvalSize);
}
