namespace FilterPruning.Cli.Report;

/// <summary>What pruning wins and costs: size, work, latency, memory, seconds; the accuracy beside it.</summary>
internal static class CostTable
{
    private const double Million = 1e6;
    private const double Billion = 1e9;

    public static string Build(StudyContext context)
    {
        ResultGroup[] groups = [.. context.Groups.Where(group => context.Request.Names("ratio") || group.Key is not { Ratio: 0.0, Target: null })];
        if (groups.Length == 0)
            return StudyTables.NotYet;
        var dimensions = Dimension.Columns(groups);
        var trained = groups.Any(group => group.Key.FineTuned);
        var table = new MarkdownTable([
            .. dimensions.Select(dimension => dimension.Header), "filters removed", "parameters, M", "compression", "MACs, G", "MACs of dense", "theoretical speed-up", "file, MB",
            "latency p50 (p95), ms", "dense, same run", "measured speed-up", "peak memory, MB", "score + plan, s", "repair, s", "cut + proof, s", .. trained ? ["fine-tuning, s"] : Array.Empty<string>(), "AP50", "IoU@0.5 (match rate)"]);
        foreach (var group in groups)
        {
            table.Add([
                .. dimensions.Select(dimension => dimension.Cell(group)), Removed(group),
                Figures.Amount(group.Of(point => point.Parameters), "0.00", Million), Figures.Amount(group.Of(point => point.Compression), "0.00"),
                Figures.Amount(group.Of(point => point.Macs), "0.00", Billion), Figures.Percent(group.Mean(point => point.MacsShare)), Times(group.Of(point => point.TheoreticalSpeedup)),
                Figures.Amount(group.Of(point => point.FileBytes), "0.0", Million),
                Latency(group, point => point.LatencyP50, point => point.LatencyP95), Latency(group, point => point.DenseLatencyP50, point => point.DenseLatencyP95), Times(group.Of(point => point.MeasuredSpeedup)),
                Figures.Amount(group.Of(point => point.PeakMemoryBytes), "0", Million),
                Seconds(group, "score", "plan"), Seconds(group, "repair"), Seconds(group, "cut", "prove"), .. trained ? [Seconds(group, "treat")] : Array.Empty<string>(),
                Figures.Accuracy(group.Of(point => point.MaskAP50)), AccuracyTable.Iou(group)]);
        }

        return table + context.Below(groups, [.. dimensions]);
    }

    private static string Removed(ResultGroup group) => group.Of(point => point.FiltersRemoved) is { } removed
        ? $"{Figures.Amount(removed, "0")} ({Figures.Percent(group.Mean(point => point.FilterShare))})"
        : Figures.None;

    private static string Times(Spread? spread) => spread is null ? Figures.None : Figures.Amount(spread, "0.00") + " ×";

    private static string Latency(ResultGroup group, Func<ResultPoint, double?> median, Func<ResultPoint, double?> high) =>
        group.Mean(median) is { } p50 ? $"{Figures.Text(p50, "0.0")} ({(group.Mean(high) is { } p95 ? Figures.Text(p95, "0.0") : Figures.None)})" : Figures.None;

    private static string Seconds(ResultGroup group, params string[] steps) =>
        Figures.Amount(group.Of(point => steps.Any(point.Seconds.ContainsKey) ? steps.Sum(step => point.Seconds.GetValueOrDefault(step)) : null), "0.0");
}
