namespace FilterPruning.Cli.Report;

/// <summary>The unpruned models: the baselines of all other tables.</summary>
internal static class DenseTable
{
    public static string Build(StudyContext context)
    {
        ResultPoint[] models = [.. context.DenseModels.Where(context.Request.Wants)];
        if (models.Length == 0)
            return StudyTables.NotYet;
        var table = new MarkdownTable(
            "data", "model", "checkpoint", "test images", "short side", "mask AP", "AP50", "95 %", "AP75", "AP S / M / L", "box AP", "box AP50", "box AP75", "IoU@0.5 (match rate)", "95 %",
            "parameters, M", "MACs, G (at)", "file, MB", "latency p50 (p95), ms", "peak memory, MB");
        foreach (var point in models)
        {
            table.Add(
                point.Key.Dataset, point.Key.Model, point.Key.Checkpoint, Number(point.Key.EvalImages, "0"), Number(point.Key.EvalSize, "0"),
                Number(point.MaskAP, "0.000"), Number(point.MaskAP50, "0.000"), Interval(point.MaskAP50Low, point.MaskAP50High), Number(point.MaskAP75, "0.000"),
                $"{Number(point.MaskAPSmall, "0.000")} / {Number(point.MaskAPMedium, "0.000")} / {Number(point.MaskAPLarge, "0.000")}",
                Number(point.BoxAP, "0.000"), Number(point.BoxAP50, "0.000"), Number(point.BoxAP75, "0.000"),
                $"{Number(point.IouAt50, "0.000")} ({Number(point.MatchRate, "0.000")})", Interval(point.IouAt50Low, point.IouAt50High),
                Number(point.Parameters / 1e6, "0.00"), $"{Number(point.Macs / 1e9, "0.00")} ({Size(point)})", Number(point.FileBytes / 1e6, "0.0"),
                $"{Number(point.LatencyP50, "0.0")} ({Number(point.LatencyP95, "0.0")})", Number(point.PeakMemoryBytes / 1e6, "0"));
        }

        return table + Machines(models);
    }

    /// <summary>A dense model in one sentence, for the line below a table.</summary>
    public static string Sentence(ResultPoint point, bool withName)
    {
        var name = withName ? $"Dense ({point.Key.Dataset}, {point.Key.Model}, {Number(point.Key.EvalImages, "0")} images, {Number(point.Key.EvalSize, "0")} px)" : "Dense";
        var text = $"{name}: AP50 {Number(point.MaskAP50, "0.000")}, AP75 {Number(point.MaskAP75, "0.000")}, IoU@0.5 {Number(point.IouAt50, "0.000")} (match rate {Number(point.MatchRate, "0.000")})";
        if (point.Parameters is not null)
            text += $", {Number(point.Parameters / 1e6, "0.00")} M parameters";
        if (point.Macs is not null)
            text += $", {Number(point.Macs / 1e9, "0.00")} G MACs at {Size(point)}";
        return text + ".";
    }

    private static string Machines(ResultPoint[] models) => string.Concat(models
        .Select(point => (point.Machine, point.Threads, point.Version, point.Torch)).Where(run => run.Machine is not null).Distinct()
        .Select(run => $"\nMeasured on {run.Machine}, {run.Threads} threads, FilterPruning {run.Version}, libtorch {run.Torch}.\n"));

    private static string Size(ResultPoint point) => point.InputSize.Count > 0 ? string.Join(" × ", point.InputSize.Select(side => Number(side, "0"))) : "size not recorded";

    private static string Interval(double? low, double? high) => Figures.Interval(low is { } from && high is { } to ? (from, to) : null);

    private static string Number(double? value, string format) => value is { } there ? Figures.Text(there, format) : Figures.None;
}
