using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using FilterPruning.Criteria;
using FilterPruning.Detection.Models;
using FilterPruning.Planning;
using FilterPruning.Recovery;
using FilterPruning.Schedules;
using FilterPruning.Storage;
using FilterPruning.Surgery;

namespace FilterPruning.Cli.Commands;

/// <summary><c>filter-pruning prune</c>: makes a detector smaller.</summary>
internal static class PruneCommand
{
    private const string Gram = "gram";
    private const string Auto = "auto";

    public static Command Create()
    {
        var command = new Command("prune", """
            Removes the least important filters of a detector, proves that the result equals the detector with those channels masked, and saves it.

            Examples:
              filter-pruning prune --weights samples/checkpoints/shapescenes.safetensors --ratio 0.4 --repair shapescenes --out small.safetensors
              filter-pruning prune --model maskrcnn_resnet50_fpn --weights coco.pth --ratio 0.5 --repair photos --images 64 --out small.safetensors --plan plan.json
              filter-pruning prune --weights samples/checkpoints/shapescenes.safetensors --target-macs 50% --scope allocated --repair shapescenes --out half.safetensors
              filter-pruning prune --weights samples/checkpoints/shapescenes.safetensors --ratio 0.3 --repair data-free --out small.safetensors
              filter-pruning prune --weights samples/checkpoints/shapescenes.safetensors --target-macs 50% --scope isomorphic --ignore 'backbone.body.conv1' --out half.safetensors
              filter-pruning prune --weights samples/checkpoints/shapescenes.safetensors --target-macs 50% --scan scan.jsonl --out half.safetensors
            """);
        var model = new ModelSource(command, weightsNeeded: false);
        var ratio = new Option<double>("--ratio") { Description = "Share of the filters to remove: 0 up to, not including, 1. Give this or one of the targets.", HelpName = "R" };
        var targets = new (TargetMeasure Measure, Option<string?> Option)[]
        {
            (TargetMeasure.Macs, new("--target-macs") { Description = "Multiply-accumulates that may remain: a share (0.5, 50%) or an amount (3.5G).", HelpName = "KEEP" }),
            (TargetMeasure.Parameters, new("--target-params") { Description = "Parameters that may remain: a share (0.5, 50%) or an amount (12M).", HelpName = "KEEP" }),
            (TargetMeasure.Bytes, new("--target-bytes") { Description = "Bytes of stored weights that may remain: a share (0.5, 50%) or an amount (20MB, 20MiB).", HelpName = "KEEP" }),
            (TargetMeasure.Latency, new("--target-latency") { Description = "Time of one image on this machine that may remain: a share (0.5, 50%) or a time (120ms), reckoned from times of the model's layers on the first image of --repair.", HelpName = "KEEP" }),
        };
        var apply = new Option<string?>("--apply") { Description = "Follow a plan made before or elsewhere: a JSON file that lists layers and channels. Stands in place of --ratio and the targets.", HelpName = "FILE" };
        var scope = new Option<string>("--scope") { Description = "local: each layer loses its share; global: all filters are ranked together; isomorphic: only layers that are built alike are; allocated: each loses what costs the model's answers least, measured on the images of --repair.", DefaultValueFactory = _ => "local", HelpName = "local|global|isomorphic|allocated" };
        var criterion = new Option<string?>("--criterion") { Description = $"How important a filter is: {CriterionNames.List}, or gram: how badly the others rebuild it, measured on the images of --repair. Without this option l1, and gram with --scope allocated.", HelpName = $"{CriterionNames.List}|{Gram}" };
        var scan = new Option<string?>("--scan") { Description = "Spend the ratio or the target by the file of a finished 'filter-pruning scan' of these weights.", HelpName = "FILE" };
        var normalization = new Option<string>("--normalization") { Description = "How scores of layers are made comparable where they are ranked together: none (raw), mean, max, standardized.", DefaultValueFactory = _ => "none", HelpName = "none|mean|max|standardized" };
        var seed = new Option<int>("--seed") { Description = "Seed of the random criterion and of the choice of images.", DefaultValueFactory = _ => 0, HelpName = "N" };
        var ignore = new Option<string[]>("--ignore") { Description = "Leave layers alone whose names match, on both sides, or on one with :outputs or :inputs after the pattern; may be given several times.", DefaultValueFactory = _ => [], HelpName = "PATTERN" };
        var multiple = new Option<string>("--channel-multiple") { Description = "Round widths to the nearest multiple; 'auto' times the layers and takes the multiple that is fast on this machine, as --target-latency does. Without this option 1: a plan then does not depend on the machine it was made on.", DefaultValueFactory = _ => "1", HelpName = "N|auto" };
        var layerRatio = new Option<string[]>("--layer-ratio") { Description = "A ratio for the layers whose names match; the last that matches wins; may be given several times.", DefaultValueFactory = _ => [], HelpName = "PATTERN=R" };
        var mostOfLayer = new Option<double>("--max-layer-ratio") { Description = "The largest share of its channels that a layer may lose.", DefaultValueFactory = _ => 1, HelpName = "R" };
        var keepFrozen = new Option<bool>("--keep-frozen") { Description = "Leave layers alone whose parameters are all frozen." };
        var repair = new Option<string?>("--repair") { Description = "Repair from unlabelled images: a folder of pictures, 'shapescenes', or 'data-free' for made-up images where there is not a single one.", HelpName = "DIR|data-free" };
        var images = new Option<int>("--images") { Description = "Number of images to repair from.", DefaultValueFactory = _ => 64, HelpName = "N" };
        var output = new Option<string>("--out") { Description = "The pruned model, .safetensors with its recipe inside.", Required = true, HelpName = "FILE" };
        var planFile = new Option<string?>("--plan") { Description = "Write the plan as JSON too.", HelpName = "FILE" };
        var json = new Option<bool>("--json") { Description = "Print one JSON object." };
        Option[] options = [ratio, .. targets.Select(target => target.Option), apply, scope, scan, criterion, normalization, seed, ignore, multiple, layerRatio, mostOfLayer, keepFrozen, repair, images, output, planFile, json];
        foreach (var option in options)
            command.Options.Add(option);
        command.Runs((parsed, cancellation) =>
        {
            var target = Target(parsed, ratio, targets, apply);
            var given = parsed.GetValue(apply) is { } applied ? File.ReadAllText(applied) : null;
            var split = Parse<PruningScope>(parsed, scope);
            var named = parsed.GetValue(criterion) ?? (split == PruningScope.Allocated ? Gram : "l1");
            var byReconstruction = string.Equals(named, Gram, StringComparison.OrdinalIgnoreCase);
            var measures = byReconstruction || split == PruningScope.Allocated;
            var dataFree = parsed.GetValue(repair) == DataFree.Name;
            if (measures && (dataFree || parsed.GetValue(repair) is null))
                throw new ArgumentException($"{(split == PruningScope.Allocated ? "--scope allocated" : $"--criterion {Gram}")} measures on unlabelled images; give a folder of them with --repair, or choose another criterion and scope.");
            if (parsed.GetValue(scan) is not null && split != PruningScope.Local)
                throw new ArgumentException($"--scan spends the budget by a scan, and --scope {parsed.GetValue(scope)} in another way. Leave one of them out.");
            var pruning = new PruningOptions
            {
                Ratio = parsed.GetValue(ratio),
                Target = target,
                Scope = split,
                Criterion = byReconstruction ? new L1Criterion() : CriterionNames.Create(named, parsed.GetValue(seed)),
                Normalization = Parse<ScoreNormalization>(parsed, normalization),
                ChannelMultiple = MultipleOf(parsed.GetValue(multiple)!),
                Ignore = parsed.GetValue(ignore)!,
                LayerRatios = [.. parsed.GetValue(layerRatio)!.Select(LayerRatioOf)],
                MaximumLayerRatio = parsed.GetValue(mostOfLayer),
                KeepFrozen = parsed.GetValue(keepFrozen),
            };
            var sensitivity = parsed.GetValue(scan) is { } scanFile ? SensitivityScan.Load(scanFile) : null;
            OutputFile.Check(parsed.GetValue(output)!);
            if (parsed.GetValue(planFile) is { } planPath)
                OutputFile.Check(planPath);

            var clock = Stopwatch.StartNew();
            var (detector, description) = model.Load(parsed);
            using var owned = detector;
            var earlier = model.PlanOf(parsed);
            var job = new PruneJob(detector, pruning, byReconstruction, sensitivity, given);
            IReadOnlyList<Tensor> pictures = !dataFree && parsed.GetValue(repair) is { } folder ? DataFolders.Unlabelled(folder, parsed.GetValue(images), parsed.GetValue(seed), description.Split) : [];
            var times = target is { Measure: TargetMeasure.Latency } || parsed.GetValue(multiple) == Auto;
            var size = model.SizeOf(parsed, description);
            Output.WithProgress($"Tracing {description.Model}", _ => times && pictures.Count > 0 ? job.Trace(pictures[0]) : job.Trace(times ? size : Math.Min(size, PruneJob.TraceSize)));
            if (times)
                Output.WithProgress("Timing its layers", report => Done(() => job.Time(report, cancellation)));
            if (measures)
                Output.WithProgress($"Measuring on {pictures.Count} images", report => Done(() => job.Collect(pictures, report, cancellation)));
            var plan = measures ? Output.WithProgress("Planning", _ => job.Plan()) : job.Plan();
            RepairReport? repaired = null;
            if (dataFree)
            {
                var count = parsed.GetValue(images);
                repaired = Output.WithProgress($"Repairing from {count} made-up images", report => job.RepairWithoutImages(count, parsed.GetValue(seed), report, cancellation));
            }
            else if (pictures.Count > 0)
            {
                repaired = Output.WithProgress($"Repairing from {pictures.Count} images", report => job.Repair(pictures, report, cancellation));
            }

            foreach (var picture in pictures)
                picture.Dispose();

            cancellation.ThrowIfCancellationRequested();
            var proof = Output.WithProgress("Cutting and proving", _ => job.Cut());
            var measured = times ? Output.WithProgress("Timing the result", _ => job.TimeAfterCut()) : (double?)null;
            DetectorFile.SavePruned(detector, earlier is null ? plan : earlier.Then(plan), description, parsed.GetValue(output)!);
            if (parsed.GetValue(planFile) is { } path)
                AtomicFile.WriteText(path, plan.ToJson());
            if (parsed.GetValue(json))
                Output.Json(ToJson(plan, job, measured, proof, repaired, clock.Elapsed, parsed.GetValue(output)!));
            else
                Print(plan, job, measured, proof, repaired, parsed.GetValue(repair) == DataFree.Name ? "made-up" : "unlabelled", clock.Elapsed, parsed.GetValue(output)!);
            return ExitCode.Done;
        });
        return command;
    }

    private static bool Done(Action work)
    {
        work();
        return true;
    }

    private static T Parse<T>(ParseResult parsed, Option<string> option)
        where T : struct, Enum
    {
        var value = parsed.GetValue(option);
        return Enum.TryParse<T>(value, ignoreCase: true, out var result) && !int.TryParse(value, out _)
            ? result
            : throw new ArgumentException($"{option.Name} is '{value}'; allowed are {string.Join(", ", Enum.GetNames<T>()).ToLowerInvariant()}.");
    }

    private static PruningTarget? Target(ParseResult parsed, Option<double> ratio, (TargetMeasure Measure, Option<string?> Option)[] targets, Option<string?> apply)
    {
        var given = targets.Where(target => parsed.GetValue(target.Option) is not null).ToList();
        if (parsed.GetValue(apply) is not null)
        {
            return given.Count == 0 && parsed.GetResult(ratio) is not { Implicit: false }
                ? null
                : throw new ArgumentException("--apply is given with --ratio or a target; the plan says itself what goes. Leave one of them out.");
        }

        if (given.Count + (parsed.GetResult(ratio) is { Implicit: false } ? 1 : 0) != 1)
        {
            throw new ArgumentException(
                $"{(given.Count == 0 ? "Neither --ratio nor a target is given" : "Several of --ratio and the targets are given")}; allowed is one of --ratio, "
                + $"{string.Join(", ", targets.Select(target => target.Option.Name))}. A ratio says what goes, a target what remains.");
        }

        return given.Count == 0 ? null : PruningTarget.Parse(given[0].Measure, parsed.GetValue(given[0].Option)!);
    }

    // What is measured takes the place of 1.
    private static int MultipleOf(string text) => text == Auto ? 1 : int.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out var multiple)
        ? multiple
        : throw new ArgumentException($"--channel-multiple is '{text}'; allowed is a number from 1 on, or '{Auto}'.");

    private static LayerRatio LayerRatioOf(string text)
    {
        var equals = text.LastIndexOf('=');
        return equals > 0 && double.TryParse(text[(equals + 1)..], NumberStyles.Float, CultureInfo.InvariantCulture, out var ratio)
            ? new LayerRatio(text[..equals], ratio)
            : throw new ArgumentException($"--layer-ratio is '{text}'; allowed is a pattern, '=' and a ratio, for instance 'backbone.body.layer4=0.3'.");
    }

    private static JsonObject ToJson(PruningPlan plan, PruneJob job, double? measured, double proofError, RepairReport? repaired, TimeSpan elapsed, string path)
    {
        var after = job.After;
        var layers = new JsonArray();
        foreach (var layer in plan.Layers)
            layers.Add(new JsonObject { ["name"] = layer.Name, ["kind"] = layer.Kind, ["before"] = layer.OutputChannels, ["after"] = layer.KeptOutputs, ["skipped"] = layer.Skipped });
        return new JsonObject
        {
            ["parameters"] = new JsonObject { ["before"] = plan.Before.Parameters, ["after"] = after.Parameters },
            ["macs"] = new JsonObject { ["before"] = plan.Before.Macs, ["after"] = after.Macs },
            ["latencyMs"] = job.Times is { } times ? new JsonObject { ["before"] = Math.Round(times.Measured, 3), ["after"] = Math.Round(times.Of(plan), 3), ["measuredAfter"] = measured is { } known ? Math.Round(known, 3) : null, ["channelMultiple"] = times.ChannelMultiple } : null,
            ["groups"] = new JsonObject { ["total"] = plan.TotalGroups, ["removed"] = plan.RemovedGroups },
            ["proofError"] = proofError,
            ["repairedFrom"] = repaired?.Inputs ?? 0,
            ["layers"] = layers,
            ["file"] = path,
            ["bytes"] = new FileInfo(path).Length,
            ["seconds"] = elapsed.TotalSeconds,
        };
    }

    private static void Print(PruningPlan plan, PruneJob job, double? measured, double proofError, RepairReport? repaired, string kind, TimeSpan elapsed, string path)
    {
        var after = job.After;
        var table = Output.NewTable("", "before", "after", "");
        table.Row("parameters", $"{plan.Before.Parameters / 1e6:0.00} M", $"{after.Parameters / 1e6:0.00} M", $"{(double)plan.Before.Parameters / after.Parameters:0.00} × smaller");
        table.Row("MACs", $"{plan.Before.Macs / 1e9:0.00} G", $"{after.Macs / 1e9:0.00} G", $"{(double)plan.Before.Macs / after.Macs:0.00} × less");
        if (job.Times is { } times)
        {
            table.Row("latency, reckoned", $"{times.Measured:0.0} ms", $"{times.Of(plan):0.0} ms", $"{times.Measured / times.Of(plan):0.00} × faster");
            if (measured is { } now)
                table.Row("latency, measured", $"{times.Measured:0.0} ms", $"{now:0.0} ms", $"{times.Measured / now:0.00} × faster");
        }

        table.Row("channel groups", $"{plan.TotalGroups:N0}", $"{plan.TotalGroups - plan.RemovedGroups:N0}", "");
        Output.Table(table);
        if (job.Times is not null)
            Output.Line($"Latencies are those of one image here, on {get_num_threads()} thread(s), prepared for inference as 'detect' does it. Widths are in multiples of {plan.Settings.ChannelMultiple}.");
        Output.Line($"Proof: differs from its masked self by at most {proofError:0.0e+0} (relative).");
        if (repaired is not null)
            Output.Line($"Repaired {repaired.Layers.Count} layers from {repaired.Inputs} {kind} images.");
        Output.Line($"Saved {path} ({new FileInfo(path).Length / 1e6:0.0} MB) after {elapsed.TotalSeconds:0.0} s.");
    }
}
