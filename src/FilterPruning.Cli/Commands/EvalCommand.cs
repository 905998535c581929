using System.CommandLine;
using System.Text.Json.Nodes;
using FilterPruning.Detection.Evaluation;

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
            """);
        var model = new ModelSource(command, weightsNeeded: true);
        var data = new DataSource(command, DataPart.Test);
        var json = new Option<bool>("--json") { Description = "Print one JSON object." };
        command.Options.Add(json);
        command.Runs((parsed, cancellation) =>
        {
            var (detector, description) = model.Load(parsed);
            using var owned = detector;
            using var prepared = detector.PrepareForInference();
            var dataset = data.Open(parsed, description);
            var result = Output.WithProgress($"Evaluating {dataset.Name}", report =>
                DetectionEvaluator.Evaluate(detector, dataset, null, new Immediate<EvaluationProgress>(p => report((double)p.Done / p.Total, $"{p.Done} of {p.Total} images")), cancellation));
            if (parsed.GetValue(json))
                Output.Json(ToJson(result));
            else
                Output.Line(result.ToText());
            return ExitCode.Done;
        });
        return command;
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
