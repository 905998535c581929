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
              filter-pruning train --init resnet50.safetensors --data my-photos --held-out 0.2 --size 320 --out mine.safetensors
            """);
        var model = new Option<string?>("--model") { Description = $"The architecture: {string.Join(", ", MaskRcnn.Names)}. By default the recipe's.", HelpName = "NAME" };
        var init = new Option<string?>("--init") { Description = "Weights to start from: a detector's, or those of a ResNet backbone.", HelpName = "FILE" };
        var initKey = new Option<string?>("--init-key") { Description = "The entry of the checkpoint of --init to take weights from, such as model_ema. Found by itself where there is one.", HelpName = "NAME" };
        var like = new Option<string?>("--like") { Description = "Train a detector of a pruned one's widths, but with fresh weights, or with those of --init cut by the same plan.", HelpName = "FILE" };
        var sliced = new Option<bool>("--sliced") { Description = "With --like: start from the dense model's own initial weights, cut by the plan, instead of fresh ones." };
        var data = new DataSource(command, DataPart.Train);
        var output = new Option<string>("--out") { Description = "The trained detector; the training's state is kept beside it until the end.", Required = true, HelpName = "FILE" };
        var epochs = new Option<int?>("--epochs") { Description = "How often each image is seen.", HelpName = "N" };
        var iterations = new Option<int>("--iterations") { Description = "Stop after this many iterations in all, for a trial; 0 runs all epochs.", DefaultValueFactory = _ => 0, HelpName = "N" };
        var size = new Option<int?>("--size") { Description = "Short side in pixels that images are resized to; smaller trains faster.", HelpName = "PX" };
        var rate = new Option<double?>("--learning-rate") { Description = "Peak learning rate.", HelpName = "R" };
        var checkpoints = new Option<int?>("--checkpoint-every") { Description = "Iterations between two states of the training that --resume can go on from; by default the recipe's.", HelpName = "N" };
        var resume = new Option<bool>("--resume") { Description = "Continue an interrupted training; the result is the same." };
        var half = new Option<bool>("--half") { Description = "Store weights in half precision." };
        var json = new Option<bool>("--json") { Description = "Print one JSON object." };
        foreach (var option in new Option[] { model, init, initKey, like, sliced, output, epochs, iterations, size, rate, checkpoints, resume, half, json })
            command.Options.Add(option);
        command.Runs((parsed, cancellation) =>
        {
            var path = parsed.GetValue(output)!;
            var split = data.Split(parsed);
            var small = parsed.GetValue(like);
            CheckLike(small, parsed.GetValue(sliced), parsed.GetValue(half), (model.Name, parsed.GetValue(model) is not null), (size.Name, parsed.GetValue(size) is not null), (init.Name, parsed.GetValue(init) is not null));
            var recipe = TrainingJob.RecipeFor(data.IsShapeScenes(parsed) ? null : data.Open(parsed, split), data.Name(parsed), parsed.GetValue(model), parsed.GetValue(epochs));
            recipe = recipe with
            {
                Model = parsed.GetValue(size) is { } pixels ? Resized(recipe.Model, pixels) : recipe.Model,
                Training = recipe.Training with
                {
                    Seed = data.Seed(parsed),
                    LearningRate = parsed.GetValue(rate) ?? recipe.Training.LearningRate,
                    MaximumIterations = parsed.GetValue(iterations),
                    CheckpointPath = TrainingJob.StateOf(path),
                    CheckpointInterval = parsed.GetValue(checkpoints) ?? recipe.Training.CheckpointInterval,
                    Resume = parsed.GetValue(resume),
                },
            };
            var train = data.IsShapeScenes(parsed) ? ShapeScenes.Create(data.Images(parsed) ?? recipe.TrainingImages, recipe.DataSeed) : data.Open(parsed, split);
            if (split is not null)
                Output.Note($"{split.Images - split.Training} of {split.Images} images are held out (seed {split.Seed}); 'eval --data {data.Name(parsed)}' will use these.");
            var (detector, description, plan) = small is null
                ? Dense(recipe, train, parsed.GetValue(init), parsed.GetValue(initKey))
                : SmallStart.Create(small, parsed.GetValue(init), parsed.GetValue(initKey), parsed.GetValue(sliced), recipe.Training.Seed, train);
            using var owned = detector;
            description = description with
            {
                Split = split,
                Origin = $"Trained on {train.Name}, {train.Count} images, {recipe.Training.Epochs} epochs, seed {recipe.Training.Seed}{(small is null ? "" : ", with the widths of a pruned detector")}.",
            };
            TrainingJob.CheckFiles(path, parsed.GetValue(resume));
            var trainer = new DetectionTrainer(detector, train, recipe.Training);
            var result = TrainingJob.Run($"Training on {train.Name}", progress => trainer.Train(progress, null, cancellation));
            TrainingJob.Save(detector, plan, description, path, parsed.GetValue(half));
            Report(parsed.GetValue(json), path, detector, result);
            return ExitCode.Done;
        });
        return command;
    }

    /// <summary>The same proportions at another short side.</summary>
    private static MaskRcnnOptions Resized(MaskRcnnOptions options, int size)
    {
        if (size is < 32 or > 4096)
            throw new ArgumentException($"--size is {size}; allowed is 32 to 4096 pixels.");
        int Scaled(int side) => Math.Max(32, (int)Math.Round((double)side * size / options.MinSize));
        return options with { MinSize = size, MaxSize = Scaled(options.MaxSize), TrainMinSizes = [.. options.TrainMinSizes.Select(Scaled)] };
    }

    private static (MaskRcnnModel Model, DetectorDescription Description, PruningPlan? Plan) Dense(TrainingRecipe recipe, IDetectionDataset train, string? init, string? initKey)
    {
        var description = new DetectorDescription { Model = recipe.Architecture, ClassNames = train.ClassNames, Options = recipe.Model };
        var detector = description.Create();
        try
        {
            if (init is not null)
                Output.Note(InitialWeights.Load(detector, init, initKey));
            return (detector, description, null);
        }
        catch
        {
            detector.Dispose();
            throw;
        }
    }

    private static void CheckLike(string? like, bool sliced, bool half, (string Name, bool Given) model, (string Name, bool Given) size, (string Name, bool Given) init)
    {
        if (like is null && sliced)
            throw new ArgumentException("--sliced is given without --like; name the pruned detector whose widths are wanted.");
        foreach (var (name, given) in new[] { model, size })
        {
            if (like is not null && given)
                throw new ArgumentException($"{name} and --like are both given; the file of --like says what detector it holds. Leave {name} out.");
        }

        if (like is not null && half)
            throw new ArgumentException("--half and --like are both given; a detector with a recipe is stored in full precision. Leave --half out.");
        if (sliced && init.Given)
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
