using FilterPruning.Detection.Data;
using FilterPruning.Detection.Models;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Surgery;

namespace FilterPruning.Detection.Tests.Onnx;

/// <summary>The small trained detector, whole and pruned, and images of several sizes.</summary>
internal static class Scenes
{
    public static string Checkpoint => Path.Combine(AppContext.BaseDirectory, "checkpoints", "shapescenes.safetensors");

    /// <summary>The detector; the caller owns it.</summary>
    public static MaskRcnnModel Dense() => DetectorFile.Load(Checkpoint).Model;

    /// <summary>The detector with this share of its channels cut, not repaired; the caller owns it.</summary>
    public static MaskRcnnModel Pruned(double ratio)
    {
        var model = Dense();
        if (ratio == 0)
            return model;
        using var image = Scene(77, 0);
        using var guard = no_grad();
        var graph = DependencyGraph.Trace(model, detector => detector.Detect([image]));
        using var cut = Surgeon.Apply(graph, PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = ratio }));
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
