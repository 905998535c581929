using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using FilterPruning.Detection.Data;
using FilterPruning.Detection.Evaluation;
using FilterPruning.Detection.Models;
using FilterPruning.Graph;
using FilterPruning.Surgery;

namespace FilterPruning.Cli.Study;

/// <summary>The tables of <c>study-readings</c>, as they are counted or measured.</summary>
internal sealed class ReadingsReport(MaskRcnnModel model, DependencyGraph graph, double ratio, double target)
{
    private const int NamedLayers = 4;

    private static readonly double[] Floors = [0, 0.1, 0.3, 0.5];

    private readonly ReadingCounter _counter = new(model, graph, ratio, target);
    private readonly List<ReadingCount> _counts = [];
    private readonly List<(string Name, KernelCount Count, KernelCut Cut, EvaluationResult? Result)> _kernels = [];
    private readonly List<(string Name, ReadingCount? Count, EvaluationResult Result)> _measured = [];

    /// <summary>Counts all readings.</summary>
    /// <param name="global">Whether global rankings too, which need trained weights.</param>
    /// <param name="kernels">Whether single kernels too.</param>
    /// <param name="cancellation">Ends the work early.</param>
    public void Count(bool global, bool kernels, CancellationToken cancellation)
    {
        foreach (var scope in _counter.ScopesOfModel())
        {
            cancellation.ThrowIfCancellationRequested();
            _counts.Add(_counter.Count(new Reading(scope, ReadingRanking.Local, 0), search: true));
            if (!global)
                continue;
            _counts.AddRange(from ranking in new[] { ReadingRanking.GlobalRaw, ReadingRanking.GlobalMean } from floor in Floors select _counter.Count(new Reading(scope, ranking, floor)));
        }

        if (kernels)
            Kernels(null, cancellation);
    }

    /// <summary>Cuts by each reading, measures, and takes the cut back.</summary>
    public void Measure(IReadOnlyList<Reading?> readings, bool kernels, IDetectionDataset data, CancellationToken cancellation)
    {
        foreach (var reading in readings)
        {
            if (reading is null)
            {
                _measured.Add(("dense", null, Evaluate("the unpruned model", data, cancellation)));
                continue;
            }

            var count = _counter.Count(reading);
            using var cut = Surgeon.Apply(graph, count.Plan);
            _measured.Add(($"{reading.Scope}, {reading.RankingName}, floor {Percent(reading.Floor)}", count, Evaluate($"{reading.Scope}, {reading.RankingName}, floor {Percent(reading.Floor)}, compression {Ratio(count.Compression)}", data, cancellation)));
            cut.Undo();
        }

        if (kernels)
            Kernels(data, cancellation);
    }

    /// <summary>Each ranking of kernels on the weights as they are; they come back afterwards.</summary>
    private void Kernels(IDetectionDataset? data, CancellationToken cancellation)
    {
        foreach (var (large, measure) in new[] { (false, KernelMeasure.Sum), (false, KernelMeasure.Mean), (true, KernelMeasure.Sum) })
        {
            cancellation.ThrowIfCancellationRequested();
            using var weights = new KeptWeights(model);
            var ranking = new KernelRanking(model, graph, large);
            var count = ranking.Zero(ratio, measure);
            var name = $"{(large ? "kernels above 1 × 1" : "all kernels")}, {(measure == KernelMeasure.Sum ? "L1 sum" : "mean of absolute weights")}";
            var cut = KernelCut.Of(model, graph, ranking);
            _kernels.Add((name, count, cut, data is null ? null : Evaluate(name, data, cancellation)));
        }
    }

    private EvaluationResult Evaluate(string title, IDetectionDataset data, CancellationToken cancellation)
    {
        var result = Output.WithProgress($"Measuring {title}", report =>
            DetectionEvaluator.Evaluate(model, data, null, new Immediate<EvaluationProgress>(p => report((double)p.Done / p.Total, $"{p.Done} of {p.Total} images")), cancellation));
        // So that a run that is stopped has shown what it knew.
        Output.Note(string.Create(CultureInfo.InvariantCulture, $"  AP50 {result.Mask.AP50:0.0000} AP75 {result.Mask.AP75:0.0000} IoU@0.5 {result.IouAt50:0.0000} matched {result.MatchRate:0.0000}"));
        return result;
    }

    /// <summary>The tables as Markdown.</summary>
    public string ToMarkdown()
    {
        var text = new StringBuilder();
        var local = _counts.Where(count => count.Reading.Ranking == ReadingRanking.Local).ToList();
        if (local.Count > 0)
        {
            Row(text, "scope", "filters", "of all", "removed", "compression", "filters' own weights alone", "MACs left", $"share that gives {target:0.##}");
            Row(text, "---", "---:", "---:", "---:", "---:", "---:", "---:", "---:");
            foreach (var count in local)
                Row(text, count.Reading.Scope, $"{count.Filters}", Percent((double)count.Filters / count.AllFilters), $"{count.Removed}", Ratio(count.Compression), Ratio(count.CompressionOfFiltersAlone), Percent(count.Macs), count.ShareForTarget is { } share ? Percent(share) : "–");
        }

        var global = _counts.Except(local).ToList();
        if (global.Count > 0)
        {
            text.AppendLine();
            Row(text, ["scope", "ranking", .. Floors.Select(floor => floor == 0 ? "one filter kept" : $"{Percent(floor)} kept")]);
            Row(text, ["---", "---", .. Floors.Select(_ => "---:")]);
            foreach (var row in global.GroupBy(count => (count.Reading.Scope, count.Reading.RankingName)))
                Row(text, [row.Key.Scope, row.Key.RankingName, .. row.Select(count => $"{Ratio(count.Compression)} ({Ratio(count.CompressionOfFiltersAlone)}){(Reached(count) ? "" : " †")}")]);
        }

        if (_measured.Count > 0)
        {
            Row(text, "reading", "compression", "MACs left", "AP50", "AP75", "IoU@0.5", "matched", "layers that lose most");
            Row(text, "---", "---:", "---:", "---:", "---:", "---:", "---:", "---");
            foreach (var (name, count, result) in _measured)
                Row(text, name, Ratio(count?.Compression ?? 1), Percent(count?.Macs ?? 1), Figure(result.Mask.AP50), Figure(result.Mask.AP75), Figure(result.IouAt50), Figure(result.MatchRate), count is null ? "" : Emptied(count));
        }

        if (_kernels.Count > 0)
            KernelTable(text);
        return text.ToString().ReplaceLineEndings("\n").Trim();
    }

    private void KernelTable(StringBuilder text)
    {
        text.AppendLine();
        Row(text, "ranked", "kernels", "zero", "weights in them", "compression if zeros took no space", "filters all zero", "channels unread", "compression when cut", "AP50", "AP75", "IoU@0.5", "matched");
        Row(text, "---", "---:", "---:", "---:", "---:", "---:", "---:", "---:", "---:", "---:", "---:", "---:");
        foreach (var (name, count, cut, result) in _kernels)
        {
            Row(
                text, name, $"{count.Kernels}", $"{count.Zeroed}", Percent((double)count.WeightsZeroed / count.Weights), Ratio(count.SparseCompression), $"{count.EmptyFilters} of {count.Filters}", $"{cut.Unread}", Ratio(cut.Compression),
                Figure(result?.Mask.AP50), Figure(result?.Mask.AP75), Figure(result?.IouAt50), Figure(result?.MatchRate));
        }
    }

    /// <summary>The tables as JSON.</summary>
    public JsonObject ToJson() => new()
    {
        ["ratio"] = ratio,
        ["compression"] = target,
        ["readings"] = new JsonArray([.. _counts.Select(count => (JsonNode)ToJson(count))]),
        ["measured"] = new JsonArray([.. _measured.Select(row => (JsonNode)Measured(row.Name, row.Count is null ? [] : ToJson(row.Count), row.Result))]),
        ["kernels"] = new JsonArray([.. _kernels.Select(row => (JsonNode)Measured(row.Name, ToJson(row.Count, row.Cut), row.Result))]),
    };

    private static JsonObject ToJson(ReadingCount count) => new()
    {
        ["scope"] = count.Reading.Scope,
        ["ranking"] = count.Reading.RankingName,
        ["floor"] = count.Reading.Floor,
        ["filters"] = count.Filters,
        ["allFilters"] = count.AllFilters,
        ["filtersRemoved"] = count.Removed,
        ["compression"] = count.Compression,
        ["compressionOfFiltersAlone"] = count.CompressionOfFiltersAlone,
        ["macs"] = count.Macs,
        ["shareForCompression"] = count.ShareForTarget,
        ["layers"] = new JsonArray([.. count.Emptied.Select(layer => (JsonNode)new JsonObject { ["name"] = layer.Layer, ["before"] = layer.Before, ["after"] = layer.After })]),
    };

    private static JsonObject ToJson(KernelCount count, KernelCut cut) => new()
    {
        ["kernels"] = count.Kernels,
        ["zero"] = count.Zeroed,
        ["weightsZero"] = count.WeightsZeroed,
        ["sparseCompression"] = count.SparseCompression,
        ["filters"] = count.Filters,
        ["emptyFilters"] = count.EmptyFilters,
        ["groupsUnmade"] = cut.Unmade,
        ["groupsUnread"] = cut.Unread,
        ["cutCompression"] = cut.Compression,
        ["layers"] = new JsonArray([.. count.Layers.Select(layer => (JsonNode)new JsonObject { ["name"] = layer.Layer, ["zeroShare"] = Math.Round(layer.Share, 4) })]),
    };

    private static JsonObject Measured(string name, JsonObject json, EvaluationResult? result)
    {
        json["name"] = name;
        if (result is null)
            return json;
        json["maskAP"] = result.Mask.AP;
        json["maskAP50"] = result.Mask.AP50;
        json["maskAP75"] = result.Mask.AP75;
        json["iouAt50"] = result.IouAt50;
        json["matchRate"] = result.MatchRate;
        json["evalImages"] = result.Images;
        return json;
    }

    // The ratio is of channel groups, some of which have filters in many layers: of the filters, less may go.
    private bool Reached(ReadingCount count) => count.Removed >= 0.97 * ratio * count.Filters;

    private static string Emptied(ReadingCount count) =>
        string.Join(", ", count.Emptied.Take(NamedLayers).Select(layer => $"{layer.Layer.Replace("backbone.body.", "", StringComparison.Ordinal)} {layer.Before} → {layer.After}"));

    private static string Ratio(double value) => value.ToString("0.00", CultureInfo.InvariantCulture);

    private static string Percent(double value) => (100 * value).ToString("0.#", CultureInfo.InvariantCulture) + " %";

    private static string Figure(double? value) => value is { } known ? (known < 0 ? "–" : known.ToString("0.000", CultureInfo.InvariantCulture)) : "";

    private static void Row(StringBuilder text, params string[] cells) => text.Append("| ").AppendJoin(" | ", cells).Append(" |\n");
}
