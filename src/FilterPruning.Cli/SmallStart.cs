using FilterPruning.Detection.Data;
using FilterPruning.Detection.Models;
using FilterPruning.Detection.Training;
using FilterPruning.Planning;

namespace FilterPruning.Cli;

/// <summary>The control for a pruned detector: its widths, with weights that know nothing of it.</summary>
internal static class SmallStart
{
    private const int NormImages = 16;

    // Apart from the streams that seeds of recipes and models use as they are.
    private const long FreshStream = 0x5C7A7C4;

    /// <summary>Builds it; the caller owns it.</summary>
    /// <param name="like">The pruned detector's file.</param>
    /// <param name="init">Weights for the full width, cut by the same plan; null for the dense model's own initial ones or fresh ones.</param>
    /// <param name="initKey">The entry of a checkpoint to take them from; null: found by rule.</param>
    /// <param name="sliced">Without <paramref name="init"/>: the dense model's own initial weights, cut by the same plan, instead of fresh ones.</param>
    /// <param name="seed">Of fresh weights.</param>
    /// <param name="images">To measure the frozen norms of fresh weights on.</param>
    public static (MaskRcnnModel Model, DetectorDescription Description, PruningPlan Plan) Create(string like, string? init, string? initKey, bool sliced, int seed, IDetectionDataset images)
    {
        if (!File.Exists(like))
            throw new ArgumentException($"There is no file '{like}'. Give a pruned detector's file with --like.");
        var description = DetectorFile.Describe(like) ?? throw new ArgumentException($"'{like}' does not say what detector it holds. Give a file that 'prune' or 'finetune' wrote with --like.");
        var plan = DetectorFile.ReadPlan(like) ?? throw new ArgumentException($"'{like}' was not pruned, so that there are no widths to take from it. Train without --like.");
        var fresh = init is null && !sliced;
        // Nothing is known of the first stages either, so that they have to be trained as well.
        if (fresh)
            description = description with { Options = description.Options with { TrainableLayers = 5 } };
        var model = description.Create();
        try
        {
            if (fresh)
                Redraw(model, like, seed, images);
            else
                Slice(model, init, initKey, plan);
            return (model, description, plan);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    private static void Redraw(MaskRcnnModel model, string like, int seed, IDetectionDataset images)
    {
        DetectorFile.LoadWeights(model, like);
        DetectorWeights.Redraw(model, seed + FreshStream);
        var samples = Enumerable.Range(0, Math.Min(NormImages, images.Count)).Select(images.Load).ToList();
        var norms = DetectorWeights.MeasureNorms(model, [.. samples.Select(sample => sample.Image)]);
        samples.ForEach(sample => sample.Dispose());
        Output.Note(norms == 0 ? $"The widths of '{like}' with fresh weights." : $"The widths of '{like}' with fresh weights; {norms} frozen norms measured on {samples.Count} images.");
    }

    private static void Slice(MaskRcnnModel model, string? init, string? initKey, PruningPlan plan)
    {
        if (init is not null)
            Output.Note(InitialWeights.Load(model, init, initKey));
        Output.WithProgress("Cutting the initial weights by the plan", _ =>
        {
            DetectorWeights.Slice(model, plan);
            return true;
        });
    }
}
