using FilterPruning.Detection.Models;
using FilterPruning.Detection.Onnx;

namespace FilterPruning.Detection.Tests.Onnx;

/// <summary>ONNX Runtime on an exported detector answers what the detector answers.</summary>
public sealed class OnnxExporterTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("filter-pruning-onnx-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [InlineData(0)]
    [InlineData(0.2)]
    [InlineData(0.4)]
    [InlineData(0.6)]
    public void The_runtime_answers_what_the_detector_answers(double ratio)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var model = Scenes.Pruned(ratio);
        var path = Path.Combine(_folder.FullName, "detector.onnx");
        OnnxExporter.Export(model, path);
        using var onnx = new OnnxModel(path);
        var found = 0;
        foreach (var (name, image) in Scenes.Images())
        {
            using var inner = NewDisposeScope();
            var comparison = DetectionComparison.Of(model.Detect([image])[0], onnx.Detect(image));
            TestContext.Current.TestOutputHelper?.WriteLine($"{ratio} {name}: {comparison}");
            Assert.True(comparison.IsWithinTolerance, $"{ratio} {name}: {comparison}");
            found += comparison.Matched;
        }

        Assert.True(found >= 3, $"Only {found} detections were compared.");
    }
}
