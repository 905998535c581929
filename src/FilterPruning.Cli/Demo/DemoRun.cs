using System.Diagnostics;
using FilterPruning.Detection.Data;
using FilterPruning.Detection.Evaluation;
using FilterPruning.Detection.Models;
using FilterPruning.Planning;
using FilterPruning.Storage;

namespace FilterPruning.Cli.Demo;

/// <summary>Runs the demo: prune raw, prune and repair, choose for the repair; evaluate, compare, save and load.</summary>
internal static class DemoRun
{
    private const int RepairScenes = 24;
    private const int LatencyScenes = 12;
    private const int LatencyRounds = 2;
    private const int PictureCount = 4;

    public static DemoResult Run(string checkpoint, string folder, double ratio, int images, CancellationToken cancellation)
    {
        var clock = Stopwatch.StartNew();
        var (dense, description) = DetectorFile.Load(checkpoint);
        using var ownedDense = dense;
        var scenes = DataFolders.Unlabelled(DataSource.ShapeScenesName, RepairScenes, seed: 0);
        var even = new PruningOptions { Ratio = ratio };
        using var raw = Cut("Pruning by L1", new DemoCut(checkpoint, even), [], cancellation);
        using var repaired = Cut("Pruning by L1 and repairing", new DemoCut(checkpoint, even), scenes, cancellation);
        // As much work as is left to the others.
        var sameWork = even with { Ratio = 0, Target = PruningTarget.KeepMacsShare((double)repaired.After.Macs / repaired.Plan.Before.Macs), Scope = PruningScope.Allocated };
        using var chosen = Cut("Choosing channels and widths, and repairing", new DemoCut(checkpoint, sameWork), scenes, cancellation);
        foreach (var scene in scenes)
            scene.Dispose();

        var file = Path.Combine(folder, "pruned.safetensors");
        DetectorFile.SavePruned(chosen.Model, chosen.Plan, description, file);
        AtomicFile.WriteText(Path.Combine(folder, "plan.json"), chosen.Plan.ToJson());

        var test = DataFolders.Open(DataSource.ShapeScenesName, DataPart.Test, images, seed: 0);
        (string Title, MaskRcnnModel Model)[] models = [("dense", dense), (DemoResult.RawTitle, raw.Model), (DemoResult.RepairedTitle, repaired.Model), (DemoResult.ChosenTitle, chosen.Model)];
        var results = models.Select(entry => Output.WithProgress($"Evaluating on {images} fresh scenes: {entry.Title}", report => Evaluate(entry.Model, test, report, cancellation))).ToArray();
        var timed = Enumerable.Range(0, Math.Min(LatencyScenes, test.Count)).Select(index => ImageOf(test, index)).ToArray();
        var latency = Output.WithProgress("Comparing latency", _ => Latency.Compare([.. models.Select(entry => entry.Model)], timed, LatencyRounds, prepared: true, cancellation));
        var identical = LoadsIdentically(chosen.Model, file, timed);
        var pictures = DemoPictures.Draw(models, timed, PictureCount, description.ClassNames);
        foreach (var image in timed)
            image.Dispose();

        return new DemoResult
        {
            Ratio = ratio,
            Dense = new DemoModel(models[0].Title, raw.Plan.Before, results[0], latency[0], BytesAsFloat32(dense), 0),
            Raw = raw.Measured(models[1].Title, results[1], latency[1]),
            Repaired = repaired.Measured(models[2].Title, results[2], latency[2]),
            Chosen = chosen.Measured(models[3].Title, results[3], latency[3]),
            Plan = chosen.Plan,
            RepairImages = RepairScenes,
            RepairSeconds = chosen.Seconds,
            LoadsIdentically = identical,
            Pictures = pictures,
            ModelFile = file,
            Seconds = clock.Elapsed.TotalSeconds,
        };
    }

    private static DemoCut Cut(string title, DemoCut cut, IReadOnlyList<Tensor> scenes, CancellationToken cancellation)
    {
        Output.WithProgress(title, report =>
        {
            cut.Run(scenes, report, cancellation);
            return true;
        });
        return cut;
    }

    private static EvaluationResult Evaluate(MaskRcnnModel model, IDetectionDataset test, Action<double, string> report, CancellationToken cancellation) =>
        DetectionEvaluator.Evaluate(model, test, null, new Immediate<EvaluationProgress>(p => report((double)p.Done / p.Total, "")), cancellation);

    private static Tensor ImageOf(IDetectionDataset dataset, int index)
    {
        var sample = dataset.Load(index);
        sample.Target.Dispose();
        return sample.Image;
    }

    // What the model takes as a file of float32, whatever precision it was shipped in.
    private static long BytesAsFloat32(MaskRcnnModel model)
    {
        using var scope = NewDisposeScope();
        return model.state_dict().Values.Sum(value => value.numel() * value.element_size());
    }

    private static bool LoadsIdentically(MaskRcnnModel model, string file, IReadOnlyList<Tensor> images)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var loaded = DetectorFile.Load(file).Model;
        return images.All(image =>
        {
            var (one, two) = (model.Detect([image])[0], loaded.Detect([image])[0]);
            return one.Count == two.Count && Same(one.Boxes, two.Boxes) && Same(one.Labels, two.Labels) && Same(one.Scores, two.Scores) && Same(one.Masks, two.Masks);
        });

        static bool Same(Tensor a, Tensor b) => a.equal(b).all().item<bool>();
    }
}
