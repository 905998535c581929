using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using FilterPruning.Cli.Study;
using FilterPruning.Detection.Data;
using FilterPruning.Detection.Models;
using FilterPruning.Detection.Training;

namespace FilterPruning.Cli.Commands;

/// <summary><c>filter-pruning study</c>: measures a grid of pruned models.</summary>
internal static class StudyCommand
{
    public static Command Create()
    {
        var command = new Command("study", """
            Prunes a detector in many ways, raw and repaired without labels, and measures each: accuracy with intervals, size, work, latency beside the unpruned model. One line
            of JSON for each point is appended to a file. The same command goes on where it was stopped; points that are in the file are not measured again.

            Examples:
              filter-pruning study --data shapescenes --weights samples/checkpoints/shapescenes.safetensors --out docs/results/shapescenes.jsonl
              filter-pruning study --data data/PennFudanPed --weights dense.safetensors --out docs/results/pennfudan.jsonl
              filter-pruning study --data data/PennFudanPed --weights dense.safetensors --criteria l1 --scopes global-raw --layers inner --ratios 0.4 --out inner.jsonl
              filter-pruning study --data data/PennFudanPed --weights dense.safetensors --criteria gram --scopes allocated --targets macs:0.5 --fine-tune 0.25 --out tuned.jsonl
              filter-pruning study --data data/PennFudanPed --weights dense.safetensors --shard 2/3 --out shard-2.jsonl
              filter-pruning study --data data/PennFudanPed --weights dense.safetensors --join shard-1.jsonl shard-2.jsonl shard-3.jsonl --shards 3 --out all.jsonl --dry-run
            """);
        var options = new StudyOptions(command);
        command.Runs((parsed, cancellation) =>
        {
            var setup = options.Read(parsed);
            return parsed.GetValue(options.DryRun) ? DryRun(setup, parsed.GetValue(options.Json)) : Run(setup, options, parsed, cancellation);
        });
        return command;
    }

    private static int Run(StudySetup setup, StudyOptions options, ParseResult parsed, CancellationToken cancellation)
    {
        using var file = StudyFile.Open(setup.Out);
        if (file.Note is { } torn)
            Output.Note(torn);
        var join = StudyJoin.Read(setup.Join, setup.Points);
        if (join.Foreign > 0)
            Output.Note($"{join.Foreign} points of the files to join are not asked for by these options; they are left out.");
        var clock = System.Diagnostics.Stopwatch.StartNew();
        var isMissing = setup.Points.Any(key => !file.Has(key) && !join.Points.ContainsKey(key));
        using var bench = isMissing ? Output.WithProgress($"Loading and tracing {setup.Description.Model}", _ => Bench(setup, options, parsed)) : null;
        var result = Measure(setup, file, join, bench, cancellation);

        if (parsed.GetValue(options.Json))
        {
            Output.Json(new JsonObject
            {
                ["file"] = setup.Out,
                ["points"] = result.Total,
                ["skipped"] = result.Skipped,
                ["joined"] = result.Joined,
                ["measured"] = result.Measured,
                ["failed"] = result.Failed,
                ["left"] = result.Left,
                ["seconds"] = Math.Round(clock.Elapsed.TotalSeconds, 1),
            });
        }
        else
        {
            Output.Line($"{result.Measured} points measured in {StudyRun.Text(clock.Elapsed.TotalSeconds)}, {result.Skipped} were there already, {result.Joined} came from other files, {result.Left} are left; {result.Failed} could not be measured. {setup.Out}");
        }

        return ExitCode.Done;
    }

    private static StudyRunResult Measure(StudySetup setup, StudyFile file, StudyJoin join, StudyBench? bench, CancellationToken cancellation)
    {
        var all = setup.Points.Count;
        return Output.WithProgress($"Measuring {all} points", report => StudyRun.Run(
            setup.Points,
            file,
            (key, token) =>
            {
                var share = (double)setup.Points.Count(file.Has) / all;
                return bench!.Measure(key, about => report(share, $"{key}: {about}"), token);
            },
            join.Points,
            Output.Note,
            setup.Limit,
            cancellation));
    }

    private static StudyBench Bench(StudySetup setup, StudyOptions options, ParseResult parsed)
    {
        var (model, _) = options.Model.Load(parsed);
        var (dense, _) = options.Model.Load(parsed);
        var data = StudyData.Open(setup.Data, setup.EvalImages, setup.Images);
        if (model.NumClasses != data.Test.ClassNames.Count + 1)
            throw new ArgumentException($"The model has {model.NumClasses} classes, but '{setup.Data}' has {data.Test.ClassNames.Count} and the background. Give weights that were trained on it.");
        return new StudyBench(model, dense, setup.Description, data, setup.LatencyPairs, setup.FineTunes ? FineTuning(setup) : null);
    }

    // As the dense model was trained, on the same images, for a share of that.
    private static FineTuneTreatment FineTuning(StudySetup setup)
    {
        var scenes = setup.Data == DataSource.ShapeScenesName;
        IDetectionDataset training = scenes
            ? ShapeScenes.Create(TrainingRecipes.ShapeScenes.TrainingImages, TrainingRecipes.ShapeScenes.DataSeed)
            : DataFolders.Open(setup.Data, DataPart.Train, null, StudyData.Seed);
        var recipe = TrainingJob.RecipeFor(scenes ? null : training, setup.Data, setup.Description.Model, null);
        return new FineTuneTreatment(training, new FineTuneOptions { Recipe = recipe.Training });
    }

    private static int DryRun(StudySetup setup, bool json)
    {
        IReadOnlyList<StudyPoint> found = [.. StudyFile.Read(setup.Out), .. StudyJoin.Read(setup.Join, setup.Points).Points.Values];
        var keys = found.Select(point => point.Key).ToHashSet();
        var estimate = new StudyEstimate(found);
        var missing = setup.Points.Where(key => !keys.Contains(key)).ToList();
        var seconds = missing.Sum(estimate.Of);
        var shards = setup.Shards.GroupBy(point => point.Shard).OrderBy(shard => shard.Key.Index)
            .Select(shard => (shard.Key, Points: shard.Count(), Missing: shard.Count(point => !keys.Contains(point.Key)))).ToList();
        if (json)
        {
            var points = new JsonArray();
            foreach (var key in setup.Points)
            {
                points.Add(new JsonObject
                {
                    ["criterion"] = key.Criterion,
                    ["scope"] = key.Scope,
                    ["layers"] = key.Layers,
                    ["ratio"] = key.Ratio,
                    ["target"] = key.Target,
                    ["repair"] = key.Repair,
                    ["budget"] = key.Budget,
                    ["seed"] = key.Seed,
                    ["there"] = keys.Contains(key),
                    ["seconds"] = Math.Round(estimate.Of(key), 1),
                });
            }

            Output.Json(new JsonObject { ["file"] = setup.Out, ["points"] = points, ["missing"] = missing.Count, ["seconds"] = Math.Round(seconds, 1), ["shards"] = ShardReport.ToJson(shards) });
            return ExitCode.Done;
        }

        foreach (var (key, index) in setup.Points.Select((key, index) => (key, index)))
            Output.Line(string.Create(CultureInfo.InvariantCulture, $"{index + 1,4}  {(keys.Contains(key) ? "there" : StudyRun.Text(estimate.Of(key))),-12}  {key}"));
        ShardReport.Print(shards);
        Output.Line($"{setup.Points.Count} points, {missing.Count} to measure: about {StudyRun.Text(seconds)}{(found.Count == 0 ? " on 2 cores" : ", by the points that are there")}.");
        return ExitCode.Done;
    }
}
