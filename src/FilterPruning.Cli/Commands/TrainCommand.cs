using System.CommandLine;
using System.Text.Json.Nodes;
using FilterPruning.Detection.Data;
using FilterPruning.Detection.Models;
using FilterPruning.Detection.Training;
using FilterPruning.Planning;

namespace FilterPruning.Cli.Commands;

/// <summary><c>filter-pruning train</c>: trains a detector by one of the project's recipes.</summary>
internal static class TrainCommand
{
    public static Command Create()
    {
        var command = new Command("train", """
            Trains a detector: on ShapeScenes from scratch, on Penn-Fudan or your own COCO-format folder from ImageNet or COCO weights.

            Examples:
              filter-pruning train --data shapescenes --out shapescenes.safetensors
              filter-pruning train --model maskrcnn_resnet50_fpn --init resnet50.safetensors --data data/PennFudanPed --out pennfudan.safetensors
              filter-pruning train --model maskrcnn_resnet50_fpn --init coco.pth --data my-photos --epochs 20 --out mine.safetensors
              filter-pruning train --like small.safetensors --data data/PennFudanPed --out from-scratch.safetensors
            """);
        var model = new Option<string?>("--model") { Description = $"The architecture: {string.Join(", ", MaskRcnn.Names)}. By default the recipe's.", HelpName = "NAME" };
        var init = new Option<string?>("--init") { Description = "Weights to start from: a detector's, or those of a ResNet backbone.", HelpName = "FILE" };
        var like = new Option<string?>("--like") { Description = "Train a detector of a pruned one's widths, but with fresh weights, or with those of --init cut by the same plan.", HelpName = "FILE" };
        var sliced = new Option<bool>("--sliced") { Description = "With --like: start from the dense model's own initial weights, cut by the plan, instead of fresh ones." };
        var data = new DataSource(command, DataPart.Train);
        var output = new Option<string>("--out") { Description = "The trained detector; the training's state is kept beside it until the end.", Required = true, HelpName = "FILE" };
        var epochs = new Option<int?>("--epochs") { Description = "How often each image is seen.", HelpName = "N" };
        var rate = new Option<double?>("--learning-rate") { Description = "Peak learning rate.", HelpName = "R" };
        var resume = new Option<bool>("--resume") { Description = "Continue an interrupted training; the result is the same." };
        var half = new Option<bool>("--half") { Description = "Store weights in half precision." };
        var json = new Option<bool>("--json") { Description = "Print one JSON object." };
        foreach (var option in new Option[] { model, init, like, sliced, output, epochs, rate, resume, half, json })
            command.Options.Add(option);
        command.Runs((parsed, cancellation) =>
        {
            var path = parsed.GetValue(output)!;
            var recipe = TrainingJob.RecipeFor(data.IsShapeScenes(parsed) ? null : data.Open(parsed), parsed.GetValue(epochs));
            recipe = recipe with
            {
                Architecture = parsed.GetValue(model) ?? recipe.Architecture,
                Training = recipe.Training with
                {
                    Seed = data.Seed(parsed),
                    LearningRate = parsed.GetValue(rate) ?? recipe.Training.LearningRate,
                    CheckpointPath = TrainingJob.StateOf(path),
                    Resume = parsed.GetValue(resume),
                },
            };
            var train = data.IsShapeScenes(parsed) ? ShapeScenes.Create(data.Images(parsed) ?? recipe.TrainingImages, recipe.DataSeed) : data.Open(parsed);
            var small = parsed.GetValue(like);
            CheckLike(small, parsed.GetValue(sliced), parsed.GetValue(model), parsed.GetValue(init), parsed.GetValue(half));
            var (detector, description, plan) = small is null
                ? Dense(recipe, train, parsed.GetValue(init))
                : SmallStart.Create(small, parsed.GetValue(init), parsed.GetValue(sliced), recipe.Training.Seed, train);
            using var owned = detector;
            description = description with { Origin = $"Trained on {train.Name}, {train.Count} images, {recipe.Training.Epochs} epochs, seed {recipe.Training.Seed}{(small is null ? "" : ", with the widths of a pruned detector")}." };
            var trainer = new DetectionTrainer(detector, train, recipe.Training);
            var result = TrainingJob.Run($"Training on {train.Name}", progress => trainer.Train(progress, null, cancellation));
            TrainingJob.Save(detector, plan, description, path, parsed.GetValue(half));
            Report(parsed.GetValue(json), path, detector, result);
            return ExitCode.Done;
        });
        return command;
    }

    private static (MaskRcnnModel Model, DetectorDescription Description, PruningPlan? Plan) Dense(TrainingRecipe recipe, IDetectionDataset train, string? init)
    {
        var description = new DetectorDescription { Model = recipe.Architecture, ClassNames = train.ClassNames, Options = recipe.Model };
        var detector = description.Create();
        try
        {
            if (init is not null)
                Output.Note(InitialWeights.Load(detector, init));
            return (detector, description, null);
        }
        catch
        {
            detector.Dispose();
            throw;
        }
    }

    private static void CheckLike(string? like, bool sliced, string? model, string? init, bool half)
    {
        if (like is null && sliced)
            throw new ArgumentException("--sliced is given without --like; name the pruned detector whose widths are wanted.");
        if (like is not null && model is not null)
            throw new ArgumentException("--model and --like are both given; the file of --like says what detector it holds. Leave --model out.");
        if (like is not null && half)
            throw new ArgumentException("--half and --like are both given; a detector with a recipe is stored in full precision. Leave --half out.");
        if (sliced && init is not null)
            throw new ArgumentException("--sliced and --init are both given; with --init it is those weights that are cut. Leave --sliced out.");
    }

    private static void Report(bool json, string path, MaskRcnnModel detector, TrainingResult result)
    {
        var parameters = detector.parameters().Sum(parameter => parameter.numel());
        if (json)
        {
            Output.Json(new JsonObject
            {
                ["file"] = path,
                ["bytes"] = new FileInfo(path).Length,
                ["parameters"] = parameters,
                ["iterations"] = result.Iterations,
                ["loss"] = result.RecentLosses?.Total,
                ["seconds"] = result.Elapsed.TotalSeconds,
            });
        }
        else
        {
            Output.Line($"Trained {parameters / 1e6:0.00} M parameters for {result.Iterations} iterations in {result.Elapsed:hh\\:mm\\:ss}; saved {path} ({new FileInfo(path).Length / 1e6:0.0} MB).");
        }
    }
}
