using System.Text.Json.Nodes;
using FilterPruning.Detection.Data;
using FilterPruning.Detection.Models;
using FilterPruning.Detection.Ops;
using FilterPruning.Detection.Tests.Data;
using FilterPruning.Detection.Tests.ModelTests;
using FilterPruning.Detection.Torchvision;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Storage;
using FilterPruning.Surgery;
using FilterPruning.Tests.Shared;

namespace FilterPruning.Detection.Tests.TorchvisionTests;

/// <summary>Exported folders: what Debian's torchvision finds with them, what is in them, and what is refused.</summary>
public sealed class TorchvisionExportTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private static string Sample { get; } = Path.GetFullPath(Path.Combine(ParityFixture.Folder, "..", "..", "..", "samples", "checkpoints", "shapescenes.safetensors"));

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_trained_sample_dense_and_pruned_finds_the_same_in_torchvision()
    {
        DebianTorchvision.SkipWhenMissing();
        using var scope = NewDisposeScope();
        var (dense, description) = DetectorFile.Load(Sample);
        var (pruned, _) = DetectorFile.Load(Sample);
        Prune(pruned, 0.25, 160);
        var scenes = ShapeScenes.Create(3, seed: 71);
        Tensor[] images = [.. Enumerable.Range(0, 3).Select(i => scenes.Load(i).Image), zeros(3, 90, 140)];

        var found = TorchvisionDetections.CheckSame(_folder, images, ("dense", dense, description), ("pruned", pruned, description));
        Assert.True(found >= 10, $"only {found} detections");
    }

    [Fact]
    public void Frozen_and_live_norms_of_both_kinds_of_blocks_find_the_same_in_torchvision()
    {
        DebianTorchvision.SkipWhenMissing();
        using var scope = NewDisposeScope();
        var models = new[] { "r18_live", "r50_frozen" }.Select(name =>
        {
            var fixture = ParityFixture.Read(name);
            var model = fixture.Build();
            return (name, model, Description(fixture.Backbone, model));
        }).ToArray();
        var found = TorchvisionDetections.CheckSame(_folder, ParityFixture.Read("r18_frozen").Images(), models);
        Assert.True(found >= 6, $"only {found} detections");
    }

    [Fact]
    public void Pruned_models_with_options_of_their_own_find_the_same_in_torchvision()
    {
        DebianTorchvision.SkipWhenMissing();
        using var scope = NewDisposeScope();
        var models = new List<(string, MaskRcnnModel, DetectorDescription)>();
        foreach (var (name, backbone, norm) in new[] { ("narrow18", "resnet18", BackboneNorm.Live), ("narrow50", "resnet50", BackboneNorm.Frozen) })
        {
            var model = MaskRcnn.Create($"maskrcnn_{backbone}_fpn", 3, Small.Options with
            {
                Norm = norm,
                NormEps = 1e-3,
                MaskLayers = 2,
                SizeDivisible = 64,
                AspectRatios = [0.4, 1.3],
                RpnScoreThresh = 0.01,
                BoxScoreThresh = 0.02,
                BoxRegWeights = [8, 9, 4, 6],
                ImageMean = [0.4, 0.5, 0.6],
                ImageStd = [0.3, 0.2, 0.25],
                TrainMinSizes = [48, 64, 80],
                TrainableLayers = norm == BackboneNorm.Live ? 5 : 2,
            });
            ParityFormula.Fill(model, name, basic: backbone == "resnet18");
            model.eval();
            Prune(model, 0.3, 64);
            models.Add((name, model, Description(backbone, model)));
        }

        var found = TorchvisionDetections.CheckSame(_folder, Small.Images(), [.. models]);
        Assert.True(found >= 4, $"only {found} detections");
    }

    [Fact]
    public void The_folder_says_what_it_holds_and_is_the_same_each_time()
    {
        using var scope = NewDisposeScope();
        using var model = MaskRcnn.ResNet18Fpn(3, Small.Options);
        var paths = TorchvisionExporter.Export(model, Description("resnet18", model), _folder.File("out"));
        Assert.Equal(["model.py", "model.safetensors", "widths.json"], Directory.EnumerateFiles(_folder.File("out")).Select(path => Path.GetFileName(path)!).Order(StringComparer.Ordinal));
        var first = paths.Select(File.ReadAllBytes).ToArray();

        var widths = JsonNode.Parse(File.ReadAllText(_folder.File("out/widths.json")))!;
        Assert.Equal(1, (int)widths["version"]!);
        Assert.Equal(["class 1", "class 2"], widths["classes"]!.AsArray().Select(name => (string)name!));
        Assert.Equal("[3,8]", widths["layers"]!["backbone.body.conv1"]!.ToJsonString());
        Assert.Equal("[784,24]", widths["layers"]!["roi_heads.box_head.fc6"]!.ToJsonString()); // 16 channels of 7 × 7
        Assert.Equal("[8,12]", widths["layers"]!["roi_heads.mask_predictor.conv5_mask"]!.ToJsonString());
        Assert.Equal(8, (int)widths["anchors"]!["sizes"]![0]![0]!);
        using (var weights = SafetensorsFile.Open(_folder.File("out/model.safetensors")))
            Assert.Equal(model.state_dict().Keys, weights.Names);

        TorchvisionExporter.Export(model, Description("resnet18", model), _folder.File("out")); // an earlier export is replaced
        Assert.Equal(first, paths.Select(File.ReadAllBytes));
        Assert.Single(Directory.EnumerateFileSystemEntries(_folder.Path));
    }

    [Fact]
    public void The_usual_anchors_are_left_to_torchvision()
    {
        using var scope = NewDisposeScope();
        using var model = MaskRcnn.ResNet18Fpn(3, Small.Options with { AnchorSizes = new MaskRcnnOptions().AnchorSizes });
        TorchvisionExporter.Export(model, Description("resnet18", model), _folder.File("out"));
        Assert.Null(JsonNode.Parse(File.ReadAllText(_folder.File("out/widths.json")))!["anchors"]);
    }

    [Fact]
    public void What_torchvision_does_not_have_is_refused_by_name()
    {
        using var scope = NewDisposeScope();
        using var model = MaskRcnn.ResNet18Fpn(3, Small.Options);
        var description = Description("resnet18", model);

        Assert.Contains("'backbone.body.layer1.0.conv3' is missing", Refused<PruningException>(description with { Model = "maskrcnn_resnet50_fpn" }), StringComparison.Ordinal);
        Assert.Contains("'fasterrcnn_resnet18_fpn'", Refused<PruningException>(description with { Model = "fasterrcnn_resnet18_fpn" }), StringComparison.Ordinal);
        Assert.Contains("2 beside the background", Refused<ArgumentException>(description with { ClassNames = ["one"] }), StringComparison.Ordinal);

        model.register_module("extra", nn.Linear(2, 2));
        Assert.Contains("'extra.weight'", Refused<PruningException>(description), StringComparison.Ordinal);

        string Refused<T>(DetectorDescription given)
            where T : Exception
        {
            var error = Assert.Throws<T>(() => { TorchvisionExporter.Export(model, given, _folder.File("out")); });
            Assert.Empty(Directory.EnumerateFileSystemEntries(_folder.Path));
            return error.Message;
        }
    }

    [Fact]
    public void Norms_that_differ_are_refused()
    {
        using var scope = NewDisposeScope();
        using var model = MaskRcnn.ResNet18Fpn(3, Small.Options);
        model.modules().OfType<FrozenBatchNorm2d>().Last().Eps = 0.5;
        var error = Assert.Throws<PruningException>(() => { TorchvisionExporter.Export(model, Description("resnet18", model), _folder.File("out")); });
        Assert.Contains("0.5", error.Message, StringComparison.Ordinal);
        model.OverwriteFrozenNormEps(0);
        TorchvisionExporter.Export(model, Description("resnet18", model), _folder.File("out"));
        Assert.Equal(0, (double)JsonNode.Parse(File.ReadAllText(_folder.File("out/widths.json")))!["norm"]!["eps"]!);
    }

    [Fact]
    public void A_folder_with_other_files_is_left_alone()
    {
        using var scope = NewDisposeScope();
        using var model = MaskRcnn.ResNet18Fpn(3, Small.Options);
        var target = Directory.CreateDirectory(_folder.File("out")).FullName;
        File.WriteAllText(Path.Combine(target, "notes.txt"), "mine");
        Assert.Contains("notes.txt", Assert.Throws<ArgumentException>(() => { TorchvisionExporter.Export(model, Description("resnet18", model), target); }).Message, StringComparison.Ordinal);
        Assert.Contains("is a file", Assert.Throws<ArgumentException>(() => { TorchvisionExporter.Export(model, Description("resnet18", model), Path.Combine(target, "notes.txt")); }).Message, StringComparison.Ordinal);
        Assert.Contains("does not exist", Assert.Throws<ArgumentException>(() => { TorchvisionExporter.Export(model, Description("resnet18", model), Path.Combine(target, "a", "b")); }).Message, StringComparison.Ordinal);
        Assert.Equal("mine", File.ReadAllText(Path.Combine(target, "notes.txt")));
        Assert.Single(Directory.EnumerateFileSystemEntries(_folder.Path));
    }

    private static DetectorDescription Description(string backbone, MaskRcnnModel model) =>
        new() { Model = $"maskrcnn_{backbone}_fpn", ClassNames = [.. Enumerable.Range(1, model.NumClasses - 1).Select(i => $"class {i}")], Options = model.Options };

    private static void Prune(MaskRcnnModel model, double ratio, int size)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(5);
        var image = rand(3, size, size, generator: generator);
        var graph = DependencyGraph.Trace(model, detector => detector.Detect([image]));
        using var cut = Surgeon.Apply(graph, PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = ratio }));
    }
}
