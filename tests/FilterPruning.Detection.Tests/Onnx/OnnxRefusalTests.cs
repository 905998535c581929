using FilterPruning.Detection.Models;
using FilterPruning.Detection.Onnx;
using FilterPruning.Detection.Tests.ModelTests;
using TorchSharp.Modules;

namespace FilterPruning.Detection.Tests.Onnx;

/// <summary>Nothing is passed over in silence, and what was at a path stays when an export fails.</summary>
public sealed class OnnxRefusalTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("filter-pruning-onnx-");

    private string Target => Path.Combine(_folder.FullName, "detector.onnx");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void A_module_in_a_place_the_exporter_does_not_look_at_is_named()
    {
        using var model = MaskRcnn.ResNet18Fpn(3, Small.Options);
        Part(model, "backbone.body").register_module("attention", nn.Linear(4, 4));
        Refuses(model, "'backbone.body.attention'");
    }

    [Fact]
    public void A_tensor_that_nothing_reads_is_named()
    {
        using var model = MaskRcnn.ResNet18Fpn(3, Small.Options);
        Part(model, "rpn").register_buffer("temperature", ones(1));
        Refuses(model, "'rpn.temperature'");
    }

    [Fact]
    public void A_layer_of_another_kind_is_named()
    {
        using var model = MaskRcnn.ResNet18Fpn(3, Small.Options);
        ((Sequential)Part(model, "roi_heads.mask_head")).append("9", nn.GELU());
        Refuses(model, "'roi_heads.mask_head.9'", "GELU", "ReLU");
    }

    [Fact]
    public void A_norm_in_training_is_named()
    {
        using var model = MaskRcnn.ResNet18Fpn(3, Small.Options with { Norm = BackboneNorm.Live });
        model.train();
        Refuses(model, "'backbone.body.bn1'", "eval()");
        model.eval();
        OnnxExporter.Export(model, Target);
    }

    [Fact]
    public void A_convolution_that_pads_otherwise_is_named()
    {
        using var model = MaskRcnn.ResNet18Fpn(3, Small.Options);
        ((Sequential)Part(model, "roi_heads.mask_head")).append("9", nn.Conv2d(8, 8, 3, padding: 1, padding_mode: PaddingModes.Reflect));
        Refuses(model, "'roi_heads.mask_head.9'", "zeros");
    }

    [Fact]
    public void More_than_a_file_holds_is_refused_with_the_way_out()
    {
        using var model = MaskRcnn.ResNet18Fpn(3, Small.Options);
        var error = Assert.Throws<PruningException>(() => OnnxExporter.Export(model, Target, new OnnxExportOptions { MaxFileBytes = 1_200_000 }));
        Assert.Contains(nameof(OnnxExportOptions.ExternalData), error.Message, StringComparison.Ordinal);
        Assert.Empty(_folder.EnumerateFileSystemInfos());
        var report = OnnxExporter.Export(model, Target, new OnnxExportOptions { MaxFileBytes = 1_200_000, ExternalData = true });
        Assert.Equal(report.Bytes, _folder.EnumerateFiles().Sum(file => file.Length));
        Assert.InRange(report.Models[0].Bytes, 1, 200_000);
    }

    [Fact]
    public void Options_out_of_range_are_listed()
    {
        using var model = MaskRcnn.ResNet18Fpn(3, Small.Options);
        var error = Assert.Throws<ArgumentException>(() => OnnxExporter.Export(model, Target, new OnnxExportOptions { Opset = 15, Parts = (OnnxParts)7 }));
        Assert.Contains("Opset is 15", error.Message, StringComparison.Ordinal);
        Assert.Contains("Parts is 7", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_check_that_fails_leaves_what_was_there()
    {
        using var model = MaskRcnn.ResNet18Fpn(3, Small.Options);
        var data = Target + ".data";
        File.WriteAllText(Target, "old");
        File.WriteAllText(data, "old data");
        var options = new OnnxExportOptions { ExternalData = true };
        Assert.Throws<InvalidOperationException>(() => OnnxExporter.Export(model, Target, options, staged =>
        {
            Assert.Equal(staged.Models[0].Bytes, new FileInfo(staged.Models[0].Path).Length);
            throw new InvalidOperationException();
        }));
        Assert.Equal(("old", "old data"), (File.ReadAllText(Target), File.ReadAllText(data)));
        Assert.Equal(2, _folder.EnumerateFileSystemInfos().Count());
    }

    [Fact]
    public void A_file_that_cannot_take_its_place_puts_the_others_back()
    {
        using var model = MaskRcnn.ResNet18Fpn(3, Small.Options);
        var data = Target + ".data";
        File.WriteAllText(data, "old data");
        Directory.CreateDirectory(Target);
        var error = Assert.Throws<Storage.ModelFileException>(() => OnnxExporter.Export(model, Target, new OnnxExportOptions { ExternalData = true }));
        Assert.Equal(Storage.ModelFileErrorKind.WriteFailed, error.Kind);
        Assert.Equal("old data", File.ReadAllText(data));
        Assert.Equal(2, _folder.EnumerateFileSystemInfos().Count());
        Assert.Throws<Storage.ModelFileException>(() => OnnxExporter.Export(model, Path.Combine(_folder.FullName, "nowhere", "detector.onnx")));
        Assert.False(Directory.Exists(Path.Combine(_folder.FullName, "nowhere")));
    }

    private void Refuses(MaskRcnnModel model, params string[] said)
    {
        var error = Assert.Throws<PruningException>(() => OnnxExporter.Export(model, Target));
        Assert.All(said, text => Assert.Contains(text, error.Message, StringComparison.Ordinal));
        Assert.Empty(_folder.EnumerateFileSystemInfos());
    }

    private static nn.Module Part(MaskRcnnModel model, string path) => model.named_modules().Single(entry => entry.name == path).module;
}
