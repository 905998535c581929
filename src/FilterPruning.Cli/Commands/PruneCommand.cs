using System.CommandLine;
using System.Diagnostics;
using System.Text.Json.Nodes;
using FilterPruning.Detection.Models;
using FilterPruning.Planning;
using FilterPruning.Recovery;
using FilterPruning.Surgery;

namespace FilterPruning.Cli.Commands;

/// <summary><c>filter-pruning prune</c>: makes a detector smaller.</summary>
internal static class PruneCommand
{
    public static Command Create()
    {
        var command = new Command("prune", """
            Removes the least important filters of a detector, proves that the result equals the detector with those channels masked, and saves it.

            Examples:
              filter-pruning prune --weights samples/checkpoints/shapescenes.safetensors --ratio 0.4 --repair shapescenes --out small.safetensors
              filter-pruning prune --model maskrcnn_resnet50_fpn --weights coco.pth --ratio 0.5 --repair photos --images 64 --out small.safetensors --plan plan.json
            """);
        var model = new ModelSource(command, weightsNeeded: false);
        var ratio = new Option<double>("--ratio") { Description = "Share of the filters to remove: 0 up to, not including, 1.", Required = true, HelpName = "R" };
        var scope = new Option<string>("--scope") { Description = "local: each layer loses its share; global: all filters are ranked together.", DefaultValueFactory = _ => "local", HelpName = "local|global" };
        var criterion = new Option<string>("--criterion") { Description = $"How important a filter is: {CriterionNames.List}.", DefaultValueFactory = _ => "l1", HelpName = CriterionNames.List };
        var normalization = new Option<string>("--normalization") { Description = "How scores of layers are made comparable for --scope global: none (raw), mean, max, standardized.", DefaultValueFactory = _ => "none", HelpName = "none|mean|max|standardized" };
        var seed = new Option<int>("--seed") { Description = "Seed of the random criterion and of the choice of images.", DefaultValueFactory = _ => 0, HelpName = "N" };
        var ignore = new Option<string[]>("--ignore") { Description = "Leave layers alone whose names match; may be given several times.", DefaultValueFactory = _ => [], HelpName = "PATTERN" };
        var multiple = new Option<int>("--channel-multiple") { Description = "Round widths to the nearest multiple.", DefaultValueFactory = _ => 1, HelpName = "N" };
        var repair = new Option<string?>("--repair") { Description = "Repair from unlabelled images: a folder of pictures, or 'shapescenes'.", HelpName = "DIR" };
        var images = new Option<int>("--images") { Description = "Number of images to repair from.", DefaultValueFactory = _ => 64, HelpName = "N" };
        var output = new Option<string>("--out") { Description = "The pruned model, .safetensors with its recipe inside.", Required = true, HelpName = "FILE" };
        var planFile = new Option<string?>("--plan") { Description = "Write the plan as JSON too.", HelpName = "FILE" };
        var json = new Option<bool>("--json") { Description = "Print one JSON object." };
        foreach (var option in new Option[] { ratio, scope, criterion, normalization, seed, ignore, multiple, repair, images, output, planFile, json })
            command.Options.Add(option);
        command.Runs((parsed, cancellation) =>
        {
            var options = new PruningOptions
            {
                Ratio = parsed.GetValue(ratio),
                Scope = Parse<PruningScope>(parsed, scope),
                Criterion = CriterionNames.Create(parsed.GetValue(criterion)!, parsed.GetValue(seed)),
                Normalization = Parse<ScoreNormalization>(parsed, normalization),
                ChannelMultiple = parsed.GetValue(multiple),
                Ignore = parsed.GetValue(ignore)!,
            };
            CheckFolderOf(parsed.GetValue(output)!);
            if (parsed.GetValue(planFile) is { } planPath)
                CheckFolderOf(planPath);

            var clock = Stopwatch.StartNew();
            var (detector, description) = model.Load(parsed);
            using var owned = detector;
            var earlier = model.PlanOf(parsed);
            var job = new PruneJob(detector, options);
            Output.WithProgress($"Tracing {description.Model}", _ => job.Trace(Math.Min(model.SizeOf(parsed, description), PruneJob.TraceSize)));
            var plan = job.Plan();
            RepairReport? repaired = null;
            if (parsed.GetValue(repair) is { } folder)
            {
                var pictures = DataFolders.Unlabelled(folder, parsed.GetValue(images), parsed.GetValue(seed));
                repaired = Output.WithProgress($"Repairing from {pictures.Count} images", report => job.Repair(pictures, report, cancellation));
                foreach (var picture in pictures)
                    picture.Dispose();
            }

            cancellation.ThrowIfCancellationRequested();
            var proof = Output.WithProgress("Cutting and proving", _ => job.Cut());
            DetectorFile.SavePruned(detector, earlier is null ? plan : earlier.Then(plan), description, parsed.GetValue(output)!);
            if (parsed.GetValue(planFile) is { } path)
                File.WriteAllText(path, plan.ToJson());
            if (parsed.GetValue(json))
                Output.Json(ToJson(plan, job.After, proof, repaired, clock.Elapsed, parsed.GetValue(output)!));
            else
                Print(plan, job.After, proof, repaired, clock.Elapsed, parsed.GetValue(output)!);
            return ExitCode.Done;
        });
        return command;
    }

    private static T Parse<T>(ParseResult parsed, Option<string> option)
        where T : struct, Enum
    {
        var value = parsed.GetValue(option);
        return Enum.TryParse<T>(value, ignoreCase: true, out var result) && !int.TryParse(value, out _)
            ? result
            : throw new ArgumentException($"{option.Name} is '{value}'; allowed are {string.Join(", ", Enum.GetNames<T>()).ToLowerInvariant()}.");
    }

    // Found out before minutes of work, not after.
    private static void CheckFolderOf(string path)
    {
        var folder = Path.GetDirectoryName(Path.GetFullPath(path));
        if (!Directory.Exists(folder))
            throw new ArgumentException($"The folder '{folder}' for '{path}' does not exist. Create it first.");
    }

    private static JsonObject ToJson(PruningPlan plan, Cost after, double proofError, RepairReport? repaired, TimeSpan elapsed, string path)
    {
        var layers = new JsonArray();
        foreach (var layer in plan.Layers)
            layers.Add(new JsonObject { ["name"] = layer.Name, ["kind"] = layer.Kind, ["before"] = layer.OutputChannels, ["after"] = layer.KeptOutputs, ["skipped"] = layer.Skipped });
        return new JsonObject
        {
            ["parameters"] = new JsonObject { ["before"] = plan.Before.Parameters, ["after"] = after.Parameters },
            ["macs"] = new JsonObject { ["before"] = plan.Before.Macs, ["after"] = after.Macs },
            ["groups"] = new JsonObject { ["total"] = plan.TotalGroups, ["removed"] = plan.RemovedGroups },
            ["proofError"] = proofError,
            ["repairedFrom"] = repaired?.Inputs ?? 0,
            ["layers"] = layers,
            ["file"] = path,
            ["bytes"] = new FileInfo(path).Length,
            ["seconds"] = elapsed.TotalSeconds,
        };
    }

    private static void Print(PruningPlan plan, Cost after, double proofError, RepairReport? repaired, TimeSpan elapsed, string path)
    {
        var table = Output.NewTable("", "before", "after", "");
        table.Row("parameters", $"{plan.Before.Parameters / 1e6:0.00} M", $"{after.Parameters / 1e6:0.00} M", $"{(double)plan.Before.Parameters / after.Parameters:0.00} × smaller");
        table.Row("MACs", $"{plan.Before.Macs / 1e9:0.00} G", $"{after.Macs / 1e9:0.00} G", $"{(double)plan.Before.Macs / after.Macs:0.00} × less");
        table.Row("channel groups", $"{plan.TotalGroups:N0}", $"{plan.TotalGroups - plan.RemovedGroups:N0}", "");
        Output.Table(table);
        Output.Line($"Proof: differs from its masked self by at most {proofError:0.0e+0} (relative).");
        if (repaired is not null)
            Output.Line($"Repaired {repaired.Layers.Count} layers from {repaired.Inputs} unlabelled images.");
        Output.Line($"Saved {path} ({new FileInfo(path).Length / 1e6:0.0} MB) after {elapsed.TotalSeconds:0.0} s.");
    }
}
