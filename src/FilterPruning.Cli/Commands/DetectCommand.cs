using System.CommandLine;
using System.Runtime.ExceptionServices;
using System.Text.Json.Nodes;
using FilterPruning.Detection.Data;
using FilterPruning.Detection.Models;
using FilterPruning.Detection.Pipeline;
using FilterPruning.Storage;

namespace FilterPruning.Cli.Commands;

/// <summary><c>filter-pruning detect</c>: finds objects in pictures.</summary>
internal static class DetectCommand
{
    public static Command Create()
    {
        var command = new Command("detect", """
            Finds objects in pictures and draws them.

            Examples:
              filter-pruning detect --weights pruned.safetensors photo.jpg --out found
              filter-pruning detect --weights pruned.safetensors *.png --score 0.7 --json
            """);
        var images = new Argument<string[]>("IMAGE") { Description = "Pictures (PNG, JPEG).", Arity = ArgumentArity.OneOrMore };
        command.Arguments.Add(images);
        var model = new ModelSource(command, weightsNeeded: true);
        var score = new Option<double>("--score") { Description = "Leave out detections with a lower score.", DefaultValueFactory = _ => 0.5, HelpName = "S" };
        var output = new Option<string?>("--out") { Description = "Write a picture with the detections drawn in, for each image.", HelpName = "DIR" };
        var json = new Option<bool>("--json") { Description = "Print one JSON object, with masks in COCO's run-length encoding." };
        command.Options.Add(score);
        command.Options.Add(output);
        command.Options.Add(json);
        command.Runs((parsed, cancellation) =>
        {
            var threshold = parsed.GetValue(score);
            if (threshold is not (>= 0 and <= 1))
                throw new ArgumentException($"--score is {threshold}; allowed is 0 to 1.");
            var paths = parsed.GetValue(images)!;
            foreach (var path in paths.Where(path => !File.Exists(path)))
                throw new ArgumentException($"There is no file '{path}'.");
            var folder = parsed.GetValue(output);
            if (folder is not null)
                OutputFile.Check(Path.Combine(folder, "detections.png"), makeFolder: true);
            var (detector, description) = model.Load(parsed);
            using var owned = detector;
            var results = Detect(detector, description, paths, threshold, folder, cancellation);

            if (parsed.GetValue(json))
                Output.Json(new JsonObject { ["images"] = results });
            else
                Print(results);
            return ExitCode.Done;
        });
        return command;
    }

    // While some pictures are in the network, others are decoded and drawn; results come in the order of the paths.
    private static JsonArray Detect(MaskRcnnModel detector, DetectorDescription description, string[] paths, double threshold, string? folder, CancellationToken cancellation)
    {
        using var noGrad = no_grad();
        using var prepared = detector.PrepareForInference();
        // A single picture gets all threads.
        var options = new ThroughputOptions { DegreeOfParallelism = paths.Length == 1 ? 1 : 0, KeepImages = true };
        var results = new JsonArray();
        foreach (var result in detector.DetectAsync(paths, options, cancellation).ToBlockingEnumerable(cancellation))
        {
            using var scope = NewDisposeScope();
            using var owned = result;
            if (result.Error is { } error)
                ExceptionDispatchInfo.Throw(error);
            results.Add(Described(result.Name, result.Image!, result.Detection!, description.ClassNames, threshold, folder));
        }

        return results;
    }

    private static JsonObject Described(string path, Tensor image, Detection.Models.Detection found, IReadOnlyList<string> classNames, double threshold, string? folder)
    {
        if (folder is not null)
        {
            var picture = DetectionOverlay.Draw(image, found, classNames, new OverlayOptions { ScoreThreshold = threshold });
            AtomicFile.WriteBytes(Path.Combine(folder, Path.GetFileNameWithoutExtension(path) + ".detections.png"), picture);
        }

        return ToJson(path, image, found, classNames, threshold);
    }

    private static JsonObject ToJson(string path, Tensor image, Detection.Models.Detection found, IReadOnlyList<string> classNames, double threshold)
    {
        var boxes = new JsonArray();
        var labels = new JsonArray();
        var names = new JsonArray();
        var scores = new JsonArray();
        var masks = new JsonArray();
        for (var i = 0; i < found.Count; i++)
        {
            var score = found.Scores[i].item<float>();
            if (score < threshold)
                continue;
            var label = (int)found.Labels[i].item<long>();
            boxes.Add(new JsonArray([.. found.Boxes[i].data<float>().Select(value => (JsonNode)value)]));
            labels.Add(label);
            names.Add(classNames[label - 1]);
            scores.Add(score);
            var mask = RleMask.FromMask(found.Masks[i, 0] > 0.5);
            masks.Add(new JsonObject { ["size"] = new JsonArray(mask.Height, mask.Width), ["counts"] = mask.ToCocoString() });
        }

        return new JsonObject
        {
            ["file"] = path,
            ["height"] = image.shape[1],
            ["width"] = image.shape[2],
            ["boxes"] = boxes,
            ["labels"] = labels,
            ["names"] = names,
            ["scores"] = scores,
            ["masks"] = masks,
        };
    }

    private static void Print(JsonArray results)
    {
        var table = Output.NewTable("image", "class", "score", "x1", "y1", "x2", "y2");
        foreach (var result in results)
        {
            for (var i = 0; i < result!["boxes"]!.AsArray().Count; i++)
            {
                string[] corners = [.. result["boxes"]![i]!.AsArray().Select(value => $"{(float)value!:0.0}")];
                table.Row([Path.GetFileName((string)result["file"]!), (string)result["names"]![i]!, $"{(float)result["scores"]![i]!:0.000}", .. corners]);
            }
        }

        Output.Table(table);
    }
}
