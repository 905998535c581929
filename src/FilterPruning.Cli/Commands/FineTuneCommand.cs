using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using FilterPruning.Detection.Data;
using FilterPruning.Detection.Models;
using FilterPruning.Detection.Training;
using FilterPruning.Planning;

namespace FilterPruning.Cli.Commands;

/// <summary><c>filter-pruning finetune</c>: trains a pruned detector again for a part of its original training.</summary>
internal static class FineTuneCommand
{
    private static readonly Dictionary<string, Func<DistillationOptions, double, DistillationOptions>> Terms = new(StringComparer.Ordinal)
    {
        ["features"] = (options, weight) => options with { Features = weight },
        ["objectness"] = (options, weight) => options with { Objectness = weight },
        ["rpn-boxes"] = (options, weight) => options with { RpnBoxes = weight },
        ["classes"] = (options, weight) => options with { Classes = weight },
        ["boxes"] = (options, weight) => options with { Boxes = weight },
        ["masks"] = (options, weight) => options with { Masks = weight },
    };

    public static Command Create()
    {
        var command = new Command("finetune", """
            Trains a pruned detector again for a part of its original training: from labels, from the unpruned model as a teacher, or from both.

            Examples:
              filter-pruning finetune --weights small.safetensors --teacher dense.safetensors --data data/PennFudanPed --out tuned.safetensors
              filter-pruning finetune --weights small.safetensors --data my-photos --budget 0.5 --out tuned.safetensors
              filter-pruning finetune --weights small.safetensors --teacher dense.safetensors --no-labels --data unlabelled-photos --out tuned.safetensors
            """);
        var weights = new Option<string>("--weights") { Description = "The pruned detector, repaired or not.", Required = true, HelpName = "FILE" };
        var teacher = new Option<string?>("--teacher") { Description = "The detector to learn from, usually the unpruned one (.safetensors, or PyTorch's .pth); without it there are only labels.", HelpName = "FILE" };
        var data = new DataSource(command, DataPart.Train);
        var output = new Option<string>("--out") { Description = "The tuned detector with its recipe; the training's state is kept beside it until the end.", Required = true, HelpName = "FILE" };
        var budget = new Option<double>("--budget") { Description = "Iterations as a share of the original training's.", DefaultValueFactory = _ => new FineTuneOptions().Budget, HelpName = "SHARE" };
        var epochs = new Option<int?>("--epochs") { Description = "Epochs of the original training, of which --budget is a share; by default the recipe's.", HelpName = "N" };
        var rate = new Option<double?>("--learning-rate") { Description = "Peak learning rate; by default half the original one.", HelpName = "R" };
        var noLabels = new Option<bool>("--no-labels") { Description = "Use no ground truth; a plain folder of pictures will do as --data. Needs --teacher." };
        var distill = new Option<string[]>("--distill") { Description = $"Weight of one of the teacher's terms, 0 for off; by default all weigh 1: {string.Join(", ", Terms.Keys)}. May be given several times.", DefaultValueFactory = _ => [], HelpName = "TERM=W" };
        var freeze = new Option<bool>("--freeze-statistics") { Description = "Live norms keep their running statistics." };
        var keepFrozen = new Option<bool>("--keep-frozen") { Description = "Layers that the original training left alone stay as they are." };
        var checkpoints = new Option<int?>("--checkpoint-every") { Description = "Iterations between two states of the training that --resume can go on from; by default the recipe's.", HelpName = "N" };
        var resume = new Option<bool>("--resume") { Description = "Continue an interrupted run; the result is the same." };
        var json = new Option<bool>("--json") { Description = "Print one JSON object." };
        foreach (var option in new Option[] { weights, teacher, output, budget, epochs, rate, noLabels, distill, freeze, keepFrozen, checkpoints, resume, json })
            command.Options.Add(option);
        command.Runs((parsed, cancellation) =>
        {
            var (path, teacherPath, labels) = (parsed.GetValue(output)!, parsed.GetValue(teacher), !parsed.GetValue(noLabels));
            if (!labels && teacherPath is null)
                throw new ArgumentException("--no-labels is given without --teacher, so there is nothing to learn from. Give --teacher FILE, or use the labels.");
            if (teacherPath is null && parsed.GetValue(distill)!.Length > 0)
                throw new ArgumentException("--distill is given without --teacher. Give --teacher FILE.");
            var distillation = Distillation(parsed.GetValue(distill)!);
            var (student, description, plan) = Load(parsed.GetValue(weights)!, "--weights");
            using var owned = student;
            var (images, split) = Images(parsed, data, labels, description);
            var recipe = TrainingJob.RecipeFor(data.IsShapeScenes(parsed) ? null : images, data.Name(parsed), description.Model, parsed.GetValue(epochs));
            var options = new FineTuneOptions
            {
                Recipe = recipe.Training with
                {
                    Seed = data.Seed(parsed),
                    CheckpointPath = TrainingJob.StateOf(path),
                    CheckpointInterval = parsed.GetValue(checkpoints) ?? recipe.Training.CheckpointInterval,
                    Resume = parsed.GetValue(resume),
                },
                Budget = parsed.GetValue(budget),
                Labels = labels,
                FreezeStatistics = parsed.GetValue(freeze),
                KeepFrozen = parsed.GetValue(keepFrozen),
                Distillation = distillation,
            };
            if (parsed.GetValue(rate) is { } peak)
                options = options with { LearningRateFactor = peak / recipe.Training.LearningRate };

            var (known, _, teacherPlan) = teacherPath is null ? default : Load(teacherPath, "--teacher", description);
            using var ownedTeacher = known;
            TrainingJob.CheckFiles(path, parsed.GetValue(resume));
            using var tuner = new FineTuner(student, images, options, known is null ? null : new DistillationTeacher(known, plan, teacherPlan));
            var result = TrainingJob.Run($"Fine-tuning on {images.Name}, {tuner.TotalIterations} iterations", progress => tuner.Train(progress, null, cancellation));
            description = description with { Split = split ?? description.Split, Origin = Origin(description.Origin, images, tuner, labels, known is not null) };
            TrainingJob.Save(student, plan, description, path);
            Report(parsed.GetValue(json), path, student, tuner, result, labels, teacherPath);
            return ExitCode.Done;
        });
        return command;
    }

    // A plain state dict does not say what it holds; a teacher's is built as the student was before its cut.
    private static (MaskRcnnModel Model, DetectorDescription Description, PruningPlan? Plan) Load(string path, string option, DetectorDescription? relative = null)
    {
        if (!File.Exists(path))
            throw new ArgumentException($"There is no file '{path}'. Give a detector's .safetensors file with {option}.");
        if (relative is not null && DetectorFile.Describe(path) is null)
        {
            var plain = relative.Create();
            try
            {
                DetectorFile.LoadWeights(plain, path);
                return (plain, relative, null);
            }
            catch
            {
                plain.Dispose();
                throw;
            }
        }

        var plan = DetectorFile.ReadPlan(path);
        var (model, description) = DetectorFile.Load(path);
        return (model, description, plan);
    }

    private static (IDetectionDataset Images, TrainingSplit? Split) Images(ParseResult parsed, DataSource data, bool labels, DetectorDescription description)
    {
        if (data.IsShapeScenes(parsed))
            return (ShapeScenes.Create(data.Images(parsed) ?? TrainingRecipes.ShapeScenes.TrainingImages, TrainingRecipes.ShapeScenes.DataSeed), null);
        return labels || data.IsAnnotated(parsed) ? data.OpenTraining(parsed, description) : (data.OpenPictures(parsed, description.ClassNames), null);
    }

    private static DistillationOptions Distillation(IEnumerable<string> entries)
    {
        var options = new DistillationOptions();
        foreach (var entry in entries)
        {
            var equals = entry.IndexOf('=', StringComparison.Ordinal);
            if (equals < 0 || !Terms.TryGetValue(entry[..equals], out var set) || !double.TryParse(entry[(equals + 1)..], NumberStyles.Float, CultureInfo.InvariantCulture, out var weight))
                throw new ArgumentException($"--distill is '{entry}'; allowed is one of {string.Join(", ", Terms.Keys)}, '=' and a weight, for instance features=0.5.");
            options = set(options, weight);
        }

        return options;
    }

    private static string Origin(string before, IDetectionDataset images, FineTuner tuner, bool labels, bool taught)
    {
        var by = (labels, taught) switch
        {
            (true, true) => "labels and a teacher",
            (false, _) => "a teacher, no labels",
            _ => "labels",
        };
        return $"{before} Pruned, then fine-tuned on {images.Name}, {images.Count} images, {tuner.TotalIterations} iterations, by {by}, seed {tuner.Training.Seed}.".TrimStart();
    }

    private static void Report(bool json, string path, MaskRcnnModel student, FineTuner tuner, TrainingResult result, bool labels, string? teacher)
    {
        var parameters = student.parameters().Sum(parameter => parameter.numel());
        if (!json)
        {
            Output.Line($"Fine-tuned {parameters / 1e6:0.00} M parameters for {result.Iterations} iterations in {result.Elapsed:hh\\:mm\\:ss}; saved {path} ({new FileInfo(path).Length / 1e6:0.0} MB).");
            return;
        }

        Output.Json(new JsonObject
        {
            ["file"] = path,
            ["bytes"] = new FileInfo(path).Length,
            ["parameters"] = parameters,
            ["iterations"] = result.Iterations,
            ["resumedFrom"] = result.ResumedFrom,
            ["learningRate"] = tuner.Training.LearningRate,
            ["labels"] = labels,
            ["teacher"] = teacher,
            ["loss"] = result.RecentLosses?.Total,
            ["distillation"] = result.RecentLosses?.Distillation,
            ["seconds"] = result.Elapsed.TotalSeconds,
        });
    }
}
