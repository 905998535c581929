namespace FilterPruning.Cli.Report;

/// <summary>Criterion by scope by ratio: the raw cut beside each way of repairing it.</summary>
internal static class AccuracyTable
{
    public static string Build(StudyContext context)
    {
        var rows = Rows(context);
        if (rows.Count == 0 && !context.Request.WithStudy)
            return StudyTables.NotYet;
        ResultGroup[] shown = [.. rows.Select(row => row.Shown)];
        var dimensions = Dimension.Columns(shown);
        var table = new MarkdownTable([
            .. dimensions.Select(dimension => dimension.Header), "compression",
            "AP50 raw", "AP50", "95 %", "of dense", "AP75 raw", "AP75", "of dense",
            "IoU@0.5 (match rate) raw", "IoU@0.5 (match rate)", "95 %", "of dense"]);
        if (context.Request.WithStudy)
            table.Add([.. dimensions.Select(StudyReference.CellOf), .. StudyReference.Cells]);
        foreach (var (raw, repaired, row) in rows)
        {
            table.Add([
                .. dimensions.Select(dimension => dimension.Cell(row)), Figures.Amount(row.Of(point => point.Compression), "0.00"),
                Figures.Accuracy(raw?.Of(point => point.MaskAP50)), Figures.Accuracy(repaired?.Of(point => point.MaskAP50)),
                Figures.Interval(row.Interval(point => point.MaskAP50Low, point => point.MaskAP50High)), Figures.Percent(context.OfDense(row, point => point.MaskAP50)),
                Figures.Accuracy(raw?.Of(point => point.MaskAP75)), Figures.Accuracy(repaired?.Of(point => point.MaskAP75)), Figures.Percent(context.OfDense(row, point => point.MaskAP75)),
                Iou(raw), Iou(repaired), Figures.Interval(row.Interval(point => point.IouAt50Low, point => point.IouAt50High)), Figures.Percent(context.OfDense(row, point => point.IouAt50))]);
        }

        return table + context.Below(shown, [.. dimensions]);
    }

    /// <summary>IoU@0.5 with the match rate that it needs beside it.</summary>
    public static string Iou(ResultGroup? group) =>
        group?.Of(point => point.MatchRate) is { } match ? $"{Figures.Accuracy(group.Of(point => point.IouAt50))} ({Figures.Text(match.Mean, "0.000")})" : Figures.None;

    // A raw cut without a repaired partner has a row of its own; with several ways of repair it stands in each of their rows, also where a filter asks for
    // repaired points only.
    private static List<(ResultGroup? Raw, ResultGroup? Repaired, ResultGroup Shown)> Rows(StudyContext context)
    {
        var rows = new List<(ResultGroup?, ResultGroup?, ResultGroup)>();
        var wantsDense = context.Request.Names("ratio");
        foreach (var same in context.Groups.Where(group => wantsDense || group.Key is not { Ratio: 0.0, Target: null }).GroupBy(WithoutRepair))
        {
            var raw = context.All.FirstOrDefault(group => group.IsRaw && WithoutRepair(group) == same.Key);
            ResultGroup[] repaired = [.. same.Where(group => !group.IsRaw)];
            if (repaired.Length == 0)
                rows.Add((raw, null, raw!));
            else
                rows.AddRange(repaired.Select(group => (raw, (ResultGroup?)group, group)));
        }

        return rows;
    }

    private static PointKey WithoutRepair(ResultGroup group) => group.Key with { Repair = "", Images = null, FineTuned = false, Variant = null, Budget = null, Seed = 0 };
}
