using System.Diagnostics;
using FilterPruning.Detection.Data;
using FilterPruning.Detection.Evaluation;
using FilterPruning.Detection.Models;
using FilterPruning.Planning;

namespace FilterPruning.Cli.Demo;

/// <summary>Runs the demo: evaluate, prune raw, prune and repair, compare, save and load.</summary>
internal static class DemoRun
{
    private const int RepairScenes = 24;
    private const int LatencyScenes = 12;
    private const int LatencyRounds = 2;
    private const int PictureCount = 4;

    public static DemoResult Run(string checkpoint, string folder, double ratio, int images, CancellationToken cancellation)
    {
        var clock = Stopwatch.StartNew();
        var options = new PruningOptions { Ratio = ratio };
        var test = DataFolders.Open(DataSource.ShapeScenesName, DataPart.Test, images, seed: 0);
        var (dense, description) = DetectorFile.Load(checkpoint);
        var (raw, _) = DetectorFile.Load(checkpoint);
        var (repaired, _) = DetectorFile.Load(checkpoint);
        using var ownedDense = dense;
        using var ownedRaw = raw;
        using var ownedRepaired = repaired;

        var rawJob = new PruneJob(raw, options);
        var (rawPlan, rawProof) = Output.WithProgress($"Pruning {ratio:P0} of all filters", _ => Prune(rawJob, description));
        var repairJob = new PruneJob(repaired, options);
        repairJob.Trace(Size(description));
        var plan = repairJob.Plan();
        var repairClock = Stopwatch.StartNew();
        var scenes = DataFolders.Unlabelled(DataSource.ShapeScenesName, RepairScenes, seed: 0);
        Output.WithProgress($"Repairing from {RepairScenes} unlabelled scenes", report => repairJob.Repair(scenes, report, cancellation));
        foreach (var scene in scenes)
            scene.Dispose();
        var repairSeconds = repairClock.Elapsed.TotalSeconds;
        var proof = repairJob.Cut();

        var file = Path.Combine(folder, "pruned.safetensors");
        DetectorFile.SavePruned(repaired, plan, description, file);
        File.WriteAllText(Path.Combine(folder, "plan.json"), plan.ToJson());
        var rawFile = Path.Combine(folder, "pruned-raw.safetensors");
        DetectorFile.SavePruned(raw, rawPlan, description, rawFile);
        var denseBytes = BytesAsFloat32(dense);

        var results = new[] { (dense, "dense"), (raw, "pruned"), (repaired, "pruned and repaired") }
            .Select(entry => Output.WithProgress($"Evaluating the {entry.Item2} model on {images} fresh scenes", report => Evaluate(entry.Item1, test, report, cancellation)))
            .ToArray();
        var timed = Enumerable.Range(0, Math.Min(LatencyScenes, test.Count)).Select(index => ImageOf(test, index)).ToArray();
        var latency = Output.WithProgress("Comparing latency", _ => Latency.Compare([dense, raw, repaired], timed, LatencyRounds, cancellation));
        var identical = LoadsIdentically(repaired, file, timed);
        var pictures = DemoPictures.Draw([("dense", dense), ($"pruned {ratio:P0}", raw), ("repaired", repaired)], timed, PictureCount, description.ClassNames);
        foreach (var image in timed)
            image.Dispose();

        return new DemoResult
        {
            Ratio = ratio,
            Dense = new DemoModel("dense", plan.Before, results[0], latency[0], denseBytes, 0),
            Raw = new DemoModel("pruned", rawJob.After, results[1], latency[1], new FileInfo(rawFile).Length, rawProof),
            Repaired = new DemoModel("pruned and repaired", repairJob.After, results[2], latency[2], new FileInfo(file).Length, proof),
            Plan = plan,
            RepairImages = RepairScenes,
            RepairSeconds = repairSeconds,
            LoadsIdentically = identical,
            Pictures = pictures,
            ModelFile = file,
            Seconds = clock.Elapsed.TotalSeconds,
        };
    }

    private static (PruningPlan Plan, double Proof) Prune(PruneJob job, DetectorDescription description)
    {
        job.Trace(Size(description));
        var plan = job.Plan();
        return (plan, job.Cut());
    }

    private static int Size(DetectorDescription description) => Math.Min(description.Options.MinSize, PruneJob.TraceSize);

    private static EvaluationResult Evaluate(MaskRcnnModel model, IDetectionDataset test, Action<double, string> report, CancellationToken cancellation) =>
        DetectionEvaluator.Evaluate(model, test, null, new Immediate<EvaluationProgress>(p => report((double)p.Done / p.Total, "")), cancellation);

    private static Tensor ImageOf(IDetectionDataset dataset, int index)
    {
        var sample = dataset.Load(index);
        sample.Target.Dispose();
        return sample.Image;
    }

    // What the dense model would take in the same format, whatever precision it was shipped in.
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
