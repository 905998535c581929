using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using FilterPruning.Cli.Study;
using FilterPruning.Detection.Data;
using FilterPruning.Detection.Evaluation;
using FilterPruning.Detection.Models;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Schedules;

namespace FilterPruning.Cli.Commands;

/// <summary><c>filter-pruning scan</c>: measures how much each role of a detector matters.</summary>
internal static class ScanCommand
{
    private static readonly Dictionary<string, Func<EvaluationResult, double>> Metrics = new(StringComparer.OrdinalIgnoreCase)
    {
        ["mask.AP50"] = result => result.Mask.AP50,
        ["mask.AP"] = result => result.Mask.AP,
        ["mask.AP75"] = result => result.Mask.AP75,
        ["box.AP50"] = result => result.Box.AP50,
        ["box.AP"] = result => result.Box.AP,
        ["box.AP75"] = result => result.Box.AP75,
        ["matchRate"] = result => result.MatchRate,
    };

    public static Command Create()
    {
        var command = new Command("scan", """
            Measures how far a detector's accuracy falls when one role (layers that share their channels) alone loses a share of its filters. One line of JSON for each point is
            appended to a file; the same command goes on where it was stopped. 'prune --scan FILE' spends its budget by such a file.

            Examples:
              filter-pruning scan --weights samples/checkpoints/shapescenes.safetensors --data shapescenes --images 50 --out scan.jsonl
              filter-pruning scan --weights dense.safetensors --data data/PennFudanPed --ratios 0.25,0.5,0.75 --shard 2/4 --out scan-2.jsonl
              filter-pruning scan --weights dense.safetensors --data data/PennFudanPed --ratios 0.25,0.5,0.75 --join scan-1.jsonl scan-2.jsonl scan-3.jsonl scan-4.jsonl --out scan.jsonl
            """);
        var model = new ModelSource(command, weightsNeeded: true);
        var data = new DataSource(command, DataPart.Test);
        var metric = new Option<string>("--metric") { Description = $"What is measured: {string.Join(", ", Metrics.Keys)}.", DefaultValueFactory = _ => "mask.AP50", HelpName = "NAME" };
        var criterion = new Option<string>("--criterion") { Description = $"Which filters of a role go first: {CriterionNames.List}. 'random' takes --seed.", DefaultValueFactory = _ => "l1", HelpName = CriterionNames.List };
        var ratios = new Option<string>("--ratios") { Description = "Shares that each role loses, ascending.", DefaultValueFactory = _ => "0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9", HelpName = "LIST" };
        var output = new Option<string>("--out") { Description = "The file of JSON lines to continue or begin.", HelpName = "FILE", Required = true };
        var shard = new Option<string?>("--shard") { Description = "Only the i-th of n parts; each needs a file of its own.", HelpName = "i/n" };
        var join = new Option<string[]>("--join") { Description = "Take points from these files, those of the other shards for instance; what none of them has is measured.", HelpName = "FILE", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [] };
        var shards = new Option<int?>("--shards") { Description = "With --dry-run: say which of N shards miss points.", HelpName = "N" };
        var dryRun = new Option<bool>("--dry-run") { Description = "Say which points are missing; measure nothing." };
        var json = new Option<bool>("--json") { Description = "Print one JSON object." };
        foreach (var option in (Option[])[metric, criterion, ratios, output, shard, join, shards, dryRun, json])
            command.Options.Add(option);
        command.Runs((parsed, cancellation) =>
        {
            var measured = parsed.GetValue(metric)!;
            if (!Metrics.TryGetValue(measured, out var figure))
                throw new ArgumentException($"--metric is '{measured}'; allowed are {string.Join(", ", Metrics.Keys)}.");
            var options = new SensitivityOptions
            {
                Pruning = new PruningOptions { Criterion = CriterionNames.Create(parsed.GetValue(criterion)!, data.Seed(parsed)) },
                Ratios = StudyLists.Ratios(parsed.GetValue(ratios)!),
                File = parsed.GetValue(output),
                Join = parsed.GetValue(join)!,
                Shard = parsed.GetValue(shard) is { } part ? StudyLists.Shard(part) : null,
            };
            if (parsed.GetValue(shards) is < 1 and { } few)
                throw new ArgumentException($"--shards is {few}; give at least 1.");
            var (detector, description) = model.Load(parsed);
            using var owned = detector;
            var dataset = data.Open(parsed, description);
            options = options with { Label = string.Create(CultureInfo.InvariantCulture, $"{measured} on {dataset.Count} images of {dataset.Name}, seed {data.Seed(parsed)}, {description.Options.MinSize} px") };
            var graph = Output.WithProgress($"Tracing {description.Model}", _ => DetectorTrace.Run(detector, Math.Min(model.SizeOf(parsed, description), PruneJob.TraceSize)));
            if (parsed.GetValue(dryRun))
                return DryRun(graph, options, parsed.GetValue(shards), parsed.GetValue(json));
            var scan = Output.WithProgress("Scanning", report => SensitivityScan.Run(
                graph, () => Measure(detector, dataset, figure, cancellation), options with { Progress = new Immediate<SensitivityProgress>(p => Report(p, report)) }, cancellation));
            if (parsed.GetValue(json))
                Output.Json(ToJson(scan, options));
            else
                Output.Line(scan.ToText());
            return ExitCode.Done;
        });
        return command;
    }

    // COCO's -1 says that no object was there to be found; then nothing can fall.
    private static double Measure(MaskRcnnModel detector, IDetectionDataset dataset, Func<EvaluationResult, double> figure, CancellationToken cancellation) =>
        Math.Max(0, figure(DetectionEvaluator.Evaluate(detector, dataset, null, null, cancellation)));

    private static void Report(SensitivityProgress progress, Action<double, string> report)
    {
        var line = string.Create(CultureInfo.InvariantCulture, $"{progress.Point.Role} at {progress.Point.Ratio:0.##}: {progress.Point.Metric:0.000}");
        report((double)progress.Done / progress.Total, line);
        if (Console.IsErrorRedirected)
            Output.Note($"[{progress.Done}/{progress.Total}] {line}");
    }

    private static int DryRun(DependencyGraph graph, SensitivityOptions options, int? count, bool json)
    {
        var missing = SensitivityScan.Missing(graph, options).ToHashSet();
        IReadOnlyList<(string Role, double Ratio)> All(Shard? part) => SensitivityScan.Missing(graph, options with { File = null, Join = [], Shard = part });
        var all = All(options.Shard);
        var shards = Enumerable.Range(1, count ?? 0).Select(index => new Shard(index, count!.Value)).Select(part => (Shard: part, Points: All(part)))
            .Select(part => (part.Shard, part.Points.Count, Missing: part.Points.Count(missing.Contains))).ToList();
        if (json)
        {
            Output.Json(new JsonObject { ["file"] = options.File, ["points"] = all.Count, ["missing"] = missing.Count, ["shards"] = ShardReport.ToJson(shards) });
            return ExitCode.Done;
        }

        foreach (var (role, ratio) in all.Where(missing.Contains))
            Output.Line(string.Create(CultureInfo.InvariantCulture, $"{role} at {ratio:0.##}"));
        ShardReport.Print(shards);
        Output.Line($"{all.Count} points, {missing.Count} to measure.");
        return ExitCode.Done;
    }

    private static JsonObject ToJson(SensitivityResult scan, SensitivityOptions options)
    {
        var points = new JsonArray();
        foreach (var point in scan.Points)
            points.Add(new JsonObject { ["role"] = point.Role, ["ratio"] = point.Ratio, ["removed"] = point.Removed, ["of"] = point.Of, ["metric"] = point.Metric });
        return new JsonObject { ["file"] = options.File, ["label"] = options.Label, ["baseline"] = scan.Baseline, ["points"] = points };
    }
}
