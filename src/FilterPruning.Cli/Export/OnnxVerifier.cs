using FilterPruning.Detection.Data;
using FilterPruning.Detection.Models;
using FilterPruning.Detection.Onnx;

namespace FilterPruning.Cli.Export;

/// <summary>Runs an exported detector in ONNX Runtime beside the detector itself.</summary>
internal static class OnnxVerifier
{
    private const int LargestScene = 2048;

    /// <summary>The images that are compared where none is given: a wide and a tall scene with shapes on them, at the size the detector works at, and one with nothing on it. The caller owns them.</summary>
    public static IReadOnlyList<Tensor> MadeUpImages(int minSize)
    {
        var side = Math.Clamp(minSize, 64, LargestScene * 3 / 4);
        return [Scene(side, side * 4 / 3, 0), Scene(side * 5 / 4, side, 1), full(3, side, side, 0.5f)];
    }

    /// <summary>Compares on each image.</summary>
    public static DetectionComparison Compare(MaskRcnnModel model, OnnxRunner runner, IReadOnlyList<Tensor> images, CancellationToken cancellation)
    {
        var whole = new DetectionComparison(0, 0, 0, 0, 0, 1);
        foreach (var image in images)
        {
            cancellation.ThrowIfCancellationRequested();
            using var expected = model.Detect([image])[0];
            using var found = runner.Detect(image);
            whole = whole.With(DetectionComparison.Of(expected, found));
        }

        return whole;
    }

    /// <summary>Rounds the weights that a file keeps in half precision, in place: what the runtime computes with then.</summary>
    public static void RoundWeights(MaskRcnnModel model)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        foreach (var parameter in model.parameters().Where(parameter => parameter.dim() >= 2))
            parameter.copy_(parameter.to(float16).to(float32));
    }

    private static Tensor Scene(int height, int width, int index)
    {
        var sample = ShapeScenes.Create(index + 1, 0, new ShapeScenesOptions { Height = height, Width = width, EmptyProbability = 0 }).Load(index);
        sample.Target.Dispose();
        return sample.Image;
    }
}
