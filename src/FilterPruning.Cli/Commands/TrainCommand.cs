using System.CommandLine;
using System.Text.Json.Nodes;
using FilterPruning.Detection.Data;
using FilterPruning.Detection.Evaluation;
using FilterPruning.Detection.Models;
using FilterPruning.Detection.Training;
using FilterPruning.Storage;

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
              filter-pruning train --init resnet50.safetensors --data my-photos --held-out 0.2 --size 320 --out mine.safetensors
            """);
        var model = new Option<string?>("--model") { Description = $"The architecture: {string.Join(", ", MaskRcnn.Names)}. By default the recipe's.", HelpName = "NAME" };
        var init = new Option<string?>("--init") { Description = "Weights to start from: a detector's, or those of a ResNet backbone.", HelpName = "FILE" };
        var data = new DataSource(command, DataPart.Train);
        var output = new Option<string>("--out") { Description = "The trained detector; the training's state is kept beside it until the end.", Required = true, HelpName = "FILE" };
        var epochs = new Option<int?>("--epochs") { Description = "How often each image is seen.", HelpName = "N" };
        var iterations = new Option<int>("--iterations") { Description = "Stop after this many iterations in all, for a trial; 0 runs all epochs.", DefaultValueFactory = _ => 0, HelpName = "N" };
        var size = new Option<int?>("--size") { Description = "Short side in pixels that images are resized to; smaller trains faster.", HelpName = "PX" };
        var rate = new Option<double?>("--learning-rate") { Description = "Peak learning rate.", HelpName = "R" };
        var resume = new Option<bool>("--resume") { Description = "Continue an interrupted training; the result is the same." };
        var half = new Option<bool>("--half") { Description = "Store weights in half precision." };
        var json = new Option<bool>("--json") { Description = "Print one JSON object." };
        foreach (var option in new Option[] { model, init, output, epochs, iterations, size, rate, resume, half, json })
            command.Options.Add(option);
        command.Runs((parsed, cancellation) =>
        {
            var path = parsed.GetValue(output)!;
            var split = data.Split(parsed);
            var recipe = Recipe(parsed, data, split, parsed.GetValue(model), parsed.GetValue(epochs));
            recipe = recipe with
            {
                Model = parsed.GetValue(size) is { } pixels ? Resized(recipe.Model, pixels) : recipe.Model,
                Training = recipe.Training with
                {
                    Seed = data.Seed(parsed),
                    LearningRate = parsed.GetValue(rate) ?? recipe.Training.LearningRate,
                    MaximumIterations = parsed.GetValue(iterations),
                    CheckpointPath = path + ".training",
                    Resume = parsed.GetValue(resume),
                },
            };
            var train = data.IsShapeScenes(parsed) ? ShapeScenes.Create(data.Images(parsed) ?? recipe.TrainingImages, recipe.DataSeed) : data.Open(parsed, split);
            var description = new DetectorDescription
            {
                Model = recipe.Architecture,
                ClassNames = train.ClassNames,
                Options = recipe.Model,
                Split = split,
                Origin = $"Trained on {train.Name}, {train.Count} images, {recipe.Training.Epochs} epochs, seed {recipe.Training.Seed}.",
            };
            if (split is not null)
                Output.Note($"{split.Images - split.Training} of {split.Images} images are held out (seed {split.Seed}); 'eval --data {data.Name(parsed)}' will use these.");
            using var detector = description.Create();
            if (parsed.GetValue(init) is { } weights)
                Output.Note(InitialWeights.Load(detector, weights));
            var result = Train(detector, train, recipe, cancellation);
            DetectorFile.Save(detector, description, path, parsed.GetValue(half));
            File.Delete(path + ".training");
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

    private static TrainingRecipe Recipe(ParseResult parsed, DataSource data, TrainingSplit? split, string? architecture, int? epochs)
    {
        if (epochs is < 1)
            throw new ArgumentException($"--epochs is {epochs}; give at least 1.");
        TrainingRecipe recipe;
        if (data.IsShapeScenes(parsed))
        {
            recipe = TrainingRecipes.ShapeScenes;
        }
        else
        {
            var images = data.Open(parsed, split);
            recipe = !DataFolders.IsPennFudan(data.Name(parsed)) ? TrainingRecipes.ForDataset(images, epochs)
                : architecture == TrainingRecipes.PennFudanResNet18.Architecture ? TrainingRecipes.PennFudanResNet18 : TrainingRecipes.PennFudan;
        }

        recipe = epochs is { } count ? recipe with { Training = recipe.Training with { Epochs = count } } : recipe;
        return architecture is null ? recipe : recipe with { Architecture = architecture };
    }

    private static TrainingResult Train(MaskRcnnModel detector, IDetectionDataset train, TrainingRecipe recipe, CancellationToken cancellation)
    {
        var trainer = new DetectionTrainer(detector, train, recipe.Training);
        return Output.WithProgress($"Training on {train.Name}", report => trainer.Train(
            new Immediate<TrainingProgress>(p =>
            {
                report((double)p.Iteration / p.TotalIterations, $"loss {p.Losses.Total:0.000}, {p.ImagesPerSecond:0.0} images/s");
                if (Console.IsErrorRedirected && (p.Iteration % 50 == 0 || p.Iteration == p.TotalIterations))
                    Output.Note($"{p.Iteration}/{p.TotalIterations} loss {p.Losses.Total:0.000} mask {p.Losses.Mask:0.000} rate {p.LearningRate:0.00000} {p.ImagesPerSecond:0.00} images/s");
            }),
            null,
            cancellation));
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
