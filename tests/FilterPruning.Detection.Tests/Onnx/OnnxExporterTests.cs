using FilterPruning.Detection.Models;
using FilterPruning.Detection.Onnx;
using FilterPruning.Detection.Ops;
using FilterPruning.Detection.Tests.ModelTests;
using Microsoft.ML.OnnxRuntime;

namespace FilterPruning.Detection.Tests.Onnx;

/// <summary>ONNX Runtime on an exported detector answers what the detector answers.</summary>
public sealed class OnnxExporterTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("filter-pruning-onnx-");

    private string Target => Path.Combine(_folder.FullName, "detector.onnx");

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [InlineData(0, 30)]
    [InlineData(0.2, 10)]
    [InlineData(0.4, 3)]
    [InlineData(0.6, 1)]
    public void The_runtime_answers_what_the_detector_answers(double ratio, int least)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var model = Scenes.Pruned(ratio);
        OnnxExporter.Export(model, Target);
        using var onnx = new OnnxModel(Target);
        var found = 0;
        foreach (var (name, image) in Scenes.Images())
        {
            using var inner = NewDisposeScope();
            var comparison = DetectionComparison.Of(model.Detect([image])[0], onnx.Detect(image));
            TestContext.Current.TestOutputHelper?.WriteLine($"{ratio} {name}: {comparison}");
            Assert.True(comparison.IsWithinTolerance, $"{ratio} {name}: {comparison}");
            if (name == "blank" && ratio == 0)
                Assert.Equal(0, comparison.Expected);
            found += comparison.Matched;
        }

        Assert.True(found >= least, $"Only {found} detections were compared.");
    }

    [Fact]
    public void An_image_without_a_single_proposal_works()
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        var description = DetectorFile.Describe(Scenes.Checkpoint)!;
        using var model = (description with { Options = description.Options with { RpnScoreThresh = 1 } }).Create();
        DetectorFile.LoadWeights(model, Scenes.Checkpoint);
        model.eval();
        OnnxExporter.Export(model, Target);
        using var onnx = new OnnxModel(Target);
        foreach (var (_, image) in Scenes.Images())
        {
            var found = onnx.Detect(image);
            Assert.Equal(0, model.Detect([image])[0].Count);
            Assert.Equal([0L, 1, image.shape[1], image.shape[2]], found.Masks.shape);
        }
    }

    [Theory]
    [InlineData("maskrcnn_resnet34_fpn", BackboneNorm.Live)]
    [InlineData("maskrcnn_resnet50_fpn", BackboneNorm.Frozen)]
    [InlineData("maskrcnn_resnet50_fpn", BackboneNorm.Live)]
    public void Blocks_and_norms_of_every_kind_are_written(string name, BackboneNorm norm)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var model = MaskRcnn.Create(name, 4, Small.Options with { Norm = norm, AnchorSizes = [[8, 12], [16, 20], [32, 40], [64, 80], [128, 160]], AspectRatios = [0.7, 1.3] });
        using var generator = new Generator(3);
        foreach (var (key, tensor) in model.state_dict())
        {
            // Norms that do something, and logits far enough apart for their order to bear rounding.
            if (key.EndsWith("running_var", StringComparison.Ordinal))
                tensor.uniform_(0.5, 1.5, generator: generator);
            else if (key.EndsWith("running_mean", StringComparison.Ordinal) || key.Contains("bn", StringComparison.Ordinal) && key.EndsWith("bias", StringComparison.Ordinal))
                tensor.normal_(0, 0.1, generator: generator);
            else if (key.Contains("cls_logits.weight", StringComparison.Ordinal) || key.Contains("cls_score.weight", StringComparison.Ordinal))
                tensor.mul_(20);
        }

        model.eval();
        OnnxExporter.Export(model, Target);
        using var onnx = new OnnxModel(Target);
        foreach (var image in Small.Images())
        {
            var comparison = DetectionComparison.Of(model.Detect([image])[0], onnx.Detect(image));
            Assert.True(comparison.Matched > 0 && comparison.IsWithinTolerance, comparison.ToString());
        }
    }

    [Theory]
    [InlineData(16)]
    [InlineData(18)]
    [InlineData(19)]
    [InlineData(21)]
    public void Every_operator_set_gives_the_same(int opset)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var model = Scenes.Dense();
        OnnxExporter.Export(model, Target, new OnnxExportOptions { Opset = opset, ExternalData = opset == 18 });
        using var onnx = new OnnxModel(Target);
        var image = Scenes.Scene(5, 0);
        Assert.True(DetectionComparison.Of(model.Detect([image])[0], onnx.Detect(image)).IsWithinTolerance);
    }

    [Fact]
    public void Half_the_bytes_give_what_rounded_weights_give()
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var model = Scenes.Dense();
        var whole = OnnxExporter.Export(model, Path.Combine(_folder.FullName, "whole.onnx"));
        var half = OnnxExporter.Export(model, Target, new OnnxExportOptions { HalfPrecisionWeights = true });
        Assert.InRange((double)half.Bytes / whole.Bytes, 0.5, 0.52);
        foreach (var parameter in model.parameters().Where(parameter => parameter.dim() >= 2))
            parameter.copy_(parameter.to(float16).to(float32));
        using var onnx = new OnnxModel(Target);
        foreach (var (name, image) in Scenes.Images())
        {
            // As near as the graph in float32: nothing else is rounded.
            var comparison = DetectionComparison.Of(model.Detect([image])[0], onnx.Detect(image));
            Assert.True(comparison is { IsWithinTolerance: true, BoxPixels: < 1e-3, Score: < 2e-5 }, $"{name}: {comparison}");
        }
    }

    [Fact]
    public void Backbone_and_heads_in_two_files_give_what_one_file_gives()
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var model = Scenes.Dense();
        OnnxExporter.Export(model, Target, new OnnxExportOptions { PasteMasks = false });
        var report = OnnxExporter.Export(model, Target, new OnnxExportOptions { PasteMasks = false, Parts = OnnxParts.Separate });
        Assert.Equal(["detector.backbone.onnx", "detector.heads.onnx"], report.Models.Select(part => Path.GetFileName(part.Path)));
        var image = Scenes.Scene(5, 0);
        using var onnx = new OnnxModel(Target);
        var expected = onnx.Detect(image);
        Assert.Equal([expected.Count, 1L, 28, 28], expected.Masks.shape);

        using var backbone = new OnnxModel(report.Models[0].Path);
        using var heads = new OnnxModel(report.Models[1].Path);
        using var input = OnnxModel.ToOrt(image);
        using var size = OrtValue.CreateTensorValueFromMemory(new[] { image.shape[1], image.shape[2] }, [2]);
        using var run = new RunOptions();
        using var pyramid = backbone.Session.Run(run, ["image"], [input], ["p2", "p3", "p4", "p5", "p6"]);
        using var found = heads.Session.Run(run, ["p2", "p3", "p4", "p5", "p6", "image_size"], [.. pyramid, size], ["boxes", "masks"]);
        Assert.True(OnnxModel.ToTorch(found[0]).equal(expected.Boxes).all().item<bool>());
        Assert.True(OnnxModel.ToTorch(found[1]).equal(expected.Masks).all().item<bool>());

        var pasted = MaskOps.PasteMasksInImage(expected.Masks, expected.Boxes, (160, 160));
        Assert.True(DetectionComparison.Of(model.Detect([image])[0], expected with { Masks = pasted }).IsWithinTolerance);
    }

    [Fact]
    public void The_same_detector_gives_the_same_bytes_and_says_what_it_is()
    {
        using var model = Scenes.Dense();
        var description = DetectorFile.Describe(Scenes.Checkpoint)!;
        var before = LiveTensors.Settled();
        OnnxExporter.Export(model, Target, new OnnxExportOptions { Description = description });
        Assert.Equal(before, LiveTensors.Settled());
        var first = File.ReadAllBytes(Target);
        OnnxExporter.Export(model, Target, new OnnxExportOptions { Description = description });
        Assert.Equal(first, File.ReadAllBytes(Target));
        Assert.Single(_folder.EnumerateFileSystemInfos());

        using var onnx = new OnnxModel(Target);
        var metadata = onnx.Session.ModelMetadata.CustomMetadataMap;
        Assert.Equal("[\"" + string.Join("\",\"", description.ClassNames) + "\"]", metadata[OnnxExporter.ClassNamesKey]);
        Assert.Equal(description.ToJson(), metadata[DetectorFile.DescriptionKey]);
        Assert.Equal([3, -1, -1], onnx.Session.InputMetadata["image"].Dimensions);
    }
}
