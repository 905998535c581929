using FilterPruning.Detection.Data;
using FilterPruning.Detection.Models;
using FilterPruning.Detection.Training;

namespace FilterPruning.Cli;

/// <summary>What the commands that train have in common.</summary>
internal static class TrainingJob
{
    /// <summary>The recipe that suits the data.</summary>
    /// <param name="data">The images; null for ShapeScenes.</param>
    /// <param name="folder">Where they are.</param>
    /// <param name="architecture">The network that is wanted; null for the recipe's own.</param>
    /// <param name="epochs">How often each image is seen; null for the recipe's own number.</param>
    public static TrainingRecipe RecipeFor(IDetectionDataset? data, string folder, string? architecture, int? epochs)
    {
        if (epochs is < 1)
            throw new ArgumentException($"--epochs is {epochs}; give at least 1.");
        var recipe = data is null ? TrainingRecipes.ShapeScenes
            : !DataFolders.IsPennFudan(folder) ? TrainingRecipes.ForDataset(data, epochs)
            : architecture == TrainingRecipes.PennFudanResNet18.Architecture ? TrainingRecipes.PennFudanResNet18 : TrainingRecipes.PennFudan;
        recipe = epochs is { } count ? recipe with { Training = recipe.Training with { Epochs = count } } : recipe;
        return architecture is null ? recipe : recipe with { Architecture = architecture };
    }

    /// <summary>The training's state beside a file that it will write.</summary>
    public static string StateOf(string output) => output + ".training";

    /// <summary>Looks at where the result and the training's state will be, and says what becomes of a state that lies there.</summary>
    /// <exception cref="ArgumentException">They cannot be written.</exception>
    public static void CheckFiles(string output, bool resume)
    {
        OutputFile.Check(output, makeFolder: true);
        var isThere = File.Exists(StateOf(output));
        if (isThere && !resume)
            Output.Note($"'{StateOf(output)}' holds the state of a training that was not finished; this one begins anew and will replace it. Stop now and give --resume to continue that one.");
        else if (!isThere && resume)
            Output.Note($"There is no '{StateOf(output)}' to continue from; the training begins at the beginning.");
    }

    /// <summary>Trains with a progress bar, or in a log with a line now and then.</summary>
    public static TrainingResult Run(string title, Func<IProgress<TrainingProgress>, TrainingResult> train) => Output.WithProgress(title, report => train(
        new Immediate<TrainingProgress>(p =>
        {
            report((double)p.Iteration / p.TotalIterations, $"loss {p.Losses.Total:0.000}, {p.ImagesPerSecond:0.0} images/s");
            if (Console.IsErrorRedirected && (p.Iteration % 50 == 0 || p.Iteration == p.TotalIterations))
            {
                var taught = p.Losses.Distillation > 0 ? $" teacher {p.Losses.Distillation:0.000}" : "";
                Output.Note($"{p.Iteration}/{p.TotalIterations} loss {p.Losses.Total:0.000} mask {p.Losses.Mask:0.000}{taught} rate {p.LearningRate:0.00000} {p.ImagesPerSecond:0.00} images/s");
            }
        })));

    /// <summary>Writes the trained detector, with its plan where it has one, and lets go of the training's state.</summary>
    public static void Save(MaskRcnnModel detector, Planning.PruningPlan? plan, DetectorDescription description, string path, bool half = false)
    {
        if (plan is null)
            DetectorFile.Save(detector, description, path, half);
        else
            DetectorFile.SavePruned(detector, plan, description, path);
        File.Delete(StateOf(path));
    }
}
