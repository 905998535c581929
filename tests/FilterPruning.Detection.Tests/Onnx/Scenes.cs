using FilterPruning.Detection.Data;
using FilterPruning.Detection.Models;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Recovery;
using FilterPruning.Surgery;

namespace FilterPruning.Detection.Tests.Onnx;

/// <summary>The small trained detector, whole and pruned, and images of several sizes.</summary>
internal static class Scenes
{
    private const int RepairImages = 3;

    public static string Checkpoint => Path.Combine(AppContext.BaseDirectory, "checkpoints", "shapescenes.safetensors");

    /// <summary>The detector; the caller owns it.</summary>
    public static MaskRcnnModel Dense() => DetectorFile.Load(Checkpoint).Model;

    /// <summary>The detector pruned and repaired; the caller owns it.</summary>
    public static MaskRcnnModel Pruned(double ratio)
    {
        var model = Dense();
        if (ratio == 0)
            return model;
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        Tensor[] images = [.. Enumerable.Range(0, RepairImages).Select(i => Scene(77, i))];
        var graph = DependencyGraph.Trace(model, detector => detector.Detect([images[0]]));
        var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = ratio });
        var calibration = new CalibrationForward(64);
        using (var sample = CalibrationSample.Collect(model, graph, images, (detector, image) => calibration.Run(detector, image)))
            LeastSquaresRepair.Apply(model, sample, plan);
        using var cut = Surgeon.Apply(graph, plan);
        return model;
    }

    /// <summary>A picture of 160 × 160 pixels with shapes on it.</summary>
    public static Tensor Scene(int seed, int index)
    {
        var sample = ShapeScenes.Create(index + 1, seed).Load(index);
        sample.Target.Dispose();
        return sample.Image;
    }

    /// <summary>Square, wide and tall images with shapes on them, and one with nothing.</summary>
    public static IEnumerable<(string Name, Tensor Image)> Images()
    {
        yield return ("160 x 160", Scene(5, 0));
        yield return ("120 x 203", Resized(Scene(5, 1), 120, 203));
        yield return ("311 x 170", Resized(Scene(5, 2), 311, 170));
        yield return ("blank", full(3, 97, 130, 0.5f));
    }

    private static Tensor Resized(Tensor image, int height, int width)
    {
        using var owned = image;
        using var batch = image.unsqueeze(0);
        using var resized = nn.functional.interpolate(batch, [height, width], mode: InterpolationMode.Bilinear, align_corners: false);
        return resized.squeeze(0);
    }
}
