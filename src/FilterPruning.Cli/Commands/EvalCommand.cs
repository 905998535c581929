using System.CommandLine;
using System.Text.Json.Nodes;
using FilterPruning.Detection.Data;
using FilterPruning.Detection.Evaluation;
using FilterPruning.Detection.Models;

namespace FilterPruning.Cli.Commands;

/// <summary><c>filter-pruning eval</c>: measures a detector.</summary>
internal static class EvalCommand
{
    public static Command Create()
    {
        var command = new Command("eval", """
            Measures a detector: COCO's 12 figures for boxes and for masks, and the mean mask IoU of matched detections.

            Examples:
              filter-pruning eval --weights samples/checkpoints/shapescenes.safetensors --data shapescenes --images 200
              filter-pruning eval --weights pruned.safetensors --data data/PennFudanPed --json
              filter-pruning eval --weights pruned.safetensors --against dense.safetensors --data data/PennFudanPed
            """);
        var model = new ModelSource(command, weightsNeeded: true);
        var data = new DataSource(command, DataPart.Test);
        var against = new Option<string?>("--against") { Description = "Measure this detector on the same images too, and time both in turn, prepared for inference.", HelpName = "FILE" };
        var rounds = new Option<int>("--rounds") { Description = "With --against: how often both are timed on each of the first four images.", HelpName = "N", DefaultValueFactory = _ => 5 };
        command.Options.Add(against);
        command.Options.Add(rounds);
        var json = new Option<bool>("--json") { Description = "Print one JSON object." };
        command.Options.Add(json);
        command.Runs((parsed, cancellation) =>
        {
            var otherFile = parsed.GetValue(against);
            if (otherFile is not null && !File.Exists(otherFile))
                throw new ArgumentException($"There is no file '{otherFile}'. Give a detector's .safetensors file with --against.");
            if (parsed.GetValue(rounds) is < 1 and var given)
                throw new ArgumentException($"--rounds is {given}; give at least 1.");
            var (detector, description) = model.Load(parsed);
            using var owned = detector;
            var dataset = data.Open(parsed, description);
            var result = Measure(detector, dataset, dataset.Name, cancellation);
            var comparison = otherFile is null ? null : Comparison.Of(detector, result, otherFile, description, dataset, parsed.GetValue(rounds), cancellation);
            if (parsed.GetValue(json))
            {
                var figures = ToJson(result);
                if (comparison is not null)
                    figures["against"] = comparison.ToJson(otherFile!, ToJson(comparison.Other.Result));
                Output.Json(figures);
            }
            else
            {
                Output.Line(result.ToText());
                comparison?.Print(otherFile!);
            }

            return ExitCode.Done;
        });
        return command;
    }

    /// <summary>Evaluates a detector, prepared for inference meanwhile.</summary>
    internal static EvaluationResult Measure(MaskRcnnModel detector, IDetectionDataset dataset, string about, CancellationToken cancellation)
    {
        using var prepared = detector.PrepareForInference();
        return Output.WithProgress($"Evaluating {about}", report =>
            DetectionEvaluator.Evaluate(detector, dataset, null, new Immediate<EvaluationProgress>(p => report((double)p.Done / p.Total, $"{p.Done} of {p.Total} images")), cancellation));
    }

    /// <summary>The figures as the command line promises them.</summary>
    internal static JsonObject ToJson(EvaluationResult result) => new()
    {
        ["dataset"] = result.Dataset,
        ["images"] = result.Images,
        ["instances"] = result.Instances,
        ["box"] = Figures(result.Box),
        ["mask"] = Figures(result.Mask),
        ["iouAt50"] = result.IouAt50,
        ["matchRate"] = result.MatchRate,
    };

    private static JsonObject Figures(CocoMetrics metrics)
    {
        var json = new JsonObject();
        foreach (var (name, value) in metrics.Figures())
            json[name] = value;
        return json;
    }
}
