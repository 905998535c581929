namespace FilterPruning.Cli.Report;

/// <summary>One row for each way of pruning and repairing: all accuracy figures, with intervals.</summary>
internal static class MeasurementTable
{
    public static string Build(StudyContext context)
    {
        if (context.Groups.Count == 0)
            return StudyTables.NotYet;
        var dimensions = Dimension.Columns(context.Groups);
        var table = new MarkdownTable([
            .. dimensions.Select(dimension => dimension.Header), "compression", "mask AP", "AP50", "95 %", "AP75", "AP S / M / L", "box AP", "box AP50", "box AP75", "IoU@0.5 (match rate)", "95 %"]);
        foreach (var group in context.Groups)
        {
            table.Add([
                .. dimensions.Select(dimension => dimension.Cell(group)), Figures.Amount(group.Of(point => point.Compression), "0.00"),
                Figures.Accuracy(group.Of(point => point.MaskAP)), Figures.Accuracy(group.Of(point => point.MaskAP50)), Figures.Interval(group.Interval(point => point.MaskAP50Low, point => point.MaskAP50High)),
                Figures.Accuracy(group.Of(point => point.MaskAP75)), BySize(group),
                Figures.Accuracy(group.Of(point => point.BoxAP)), Figures.Accuracy(group.Of(point => point.BoxAP50)), Figures.Accuracy(group.Of(point => point.BoxAP75)),
                AccuracyTable.Iou(group), Figures.Interval(group.Interval(point => point.IouAt50Low, point => point.IouAt50High))]);
        }

        return table + context.Below(context.Groups, [.. dimensions]);
    }

    private static string BySize(ResultGroup group) => string.Join(" / ", new[] { group.Mean(point => point.MaskAPSmall), group.Mean(point => point.MaskAPMedium), group.Mean(point => point.MaskAPLarge) }
        .Select(mean => mean is { } value ? Figures.Text(value, "0.000") : Figures.None));
}
