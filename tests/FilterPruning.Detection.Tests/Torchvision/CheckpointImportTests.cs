using FilterPruning.Detection.Models;
using FilterPruning.Detection.Tests.Data;
using FilterPruning.Detection.Tests.ModelTests;
using FilterPruning.Detection.Torchvision;
using FilterPruning.Storage;
using FilterPruning.Tests.Shared;

namespace FilterPruning.Detection.Tests.TorchvisionTests;

/// <summary>Checkpoints written by real PyTorch in the forms people have them; see make_checkpoints.py.</summary>
public sealed class CheckpointImportTests(CheckpointImportTests.Checkpoints files) : IClassFixture<CheckpointImportTests.Checkpoints>
{
    [Theory]
    [InlineData("reference.pth", null, "model.", 0)]
    [InlineData("reference_ema.pth", null, "model.", 0)]
    [InlineData("reference_ema.pth", "model", "model.", 0)]
    [InlineData("reference_ema.pth", "model_ema", "model_ema.module.", 1)]
    [InlineData("state_dict_and_ema.pth", null, "state_dict.", 0)]
    [InlineData("state_dict_and_ema.pth", "ema_state_dict", "ema_state_dict.", 1)]
    [InlineData("only_ema.pth", null, "model_ema.module.", 1)]
    [InlineData("data_parallel.pth", null, "module.", 0)]
    [InlineData("compiled.pth", null, "model.", 0)]
    [InlineData("compiled_parallel.pth", null, "module.", 0)]
    [InlineData("compiled_backbone.pth", null, "", 0)]
    [InlineData("old_names.pth", null, "model.", 0)]
    [InlineData("lightning.pth", null, "state_dict.model.", 0)]
    [InlineData("elsewhere.pth", "detector_weights", "detector_weights.", 0)]
    public void Weights_are_found_in_every_wrapping(string name, string? key, string prefix, int added)
    {
        using var scope = NewDisposeScope();
        using var model = MaskRcnn.ResNet18Fpn(3, Small.Options with { Seed = 99 });
        var report = DetectorFile.LoadWeights(model, files[name], key);
        Assert.NotNull(report);
        Assert.Equal(prefix, report.Prefix);
        Assert.Empty(report.Unexpected);
        var wanted = files.Model.state_dict();
        foreach (var (path, value) in model.state_dict())
            Assert.True(value.equal(wanted[path] + added).all().item<bool>(), path);
    }

    [Theory]
    [InlineData("reference_ema.pth", null, "model_ema")]
    [InlineData("reference_ema.pth", "model_ema", "model")]
    [InlineData("state_dict_and_ema.pth", null, "ema_state_dict")]
    [InlineData("reference.pth", null, null)]
    [InlineData("only_ema.pth", null, null)]
    public void Other_weights_in_the_file_are_told(string name, string? key, string? other)
    {
        using var model = MaskRcnn.ResNet18Fpn(3, Small.Options);
        Assert.Equal(other is null ? [] : [other], DetectorFile.LoadWeights(model, files[name], key)!.Alternatives);
    }

    [Fact]
    public void What_lies_beside_the_weights_is_plain_data()
    {
        using var file = PthFile.Open(files["reference_ema.pth"]);
        var root = Assert.IsType<IReadOnlyDictionary<object, object?>>(file.Root, exactMatch: false);
        var arguments = Assert.IsType<IReadOnlyDictionary<object, object?>>(root["args"], exactMatch: false);
        Assert.Equal(0.02, arguments["lr"]);
        Assert.Equal("runs/one", arguments["output_dir"]);
        Assert.Null(arguments["resume"]);
        Assert.Equal(0.375, root["best"]);
        var milestones = Assert.IsType<IReadOnlyDictionary<object, object?>>(((IReadOnlyDictionary<object, object?>)root["lr_scheduler"]!)["milestones"], exactMatch: false);
        Assert.Equal([16L, 22L], milestones.Keys.Cast<long>());
    }

    [Fact]
    public void Missing_and_misspelt_keys_are_named_with_the_nearest()
    {
        using var model = MaskRcnn.ResNet18Fpn(3, Small.Options);
        var error = Assert.Throws<StateDictException>(() => DetectorFile.LoadWeights(model, files["missing.pth"]));
        Assert.Equal(["roi_heads.box_head.fc7.bias", "rpn.head.cls_logits.bias"], error.Missing.Order(StringComparer.Ordinal));
        Assert.Equal(["rpn.head.cls_logit.bias"], error.Unexpected);
        Assert.Contains("\"rpn.head.cls_logits.bias\" (it has \"rpn.head.cls_logit.bias\")", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_entry_that_is_not_there_or_not_found_is_answered_with_those_that_are()
    {
        using var model = MaskRcnn.ResNet18Fpn(3, Small.Options);
        var absent = Assert.Throws<StateDictException>(() => { DetectorFile.LoadWeights(model, files["reference_ema.pth"], "model_em"); });
        Assert.Contains("Did you mean \"model_ema\"?", absent.Message, StringComparison.Ordinal);
        var hidden = Assert.Throws<StateDictException>(() => DetectorFile.LoadWeights(model, files["elsewhere.pth"]));
        Assert.Contains("detector_weights (", hidden.Message, StringComparison.Ordinal);
        Assert.Contains("--weights-key", hidden.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Another_architecture_is_recognised()
    {
        using var model = MaskRcnn.ResNet34Fpn(3, Small.Options);
        var error = Assert.Throws<PruningException>(() => DetectorFile.LoadWeights(model, files["reference.pth"]));
        Assert.Contains("looks like 'maskrcnn_resnet18_fpn', but the model is 'maskrcnn_resnet34_fpn'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_pickled_model_is_refused_with_the_class_it_wants()
    {
        using var model = MaskRcnn.ResNet18Fpn(3, Small.Options);
        var error = Assert.Throws<ModelFileException>(() => DetectorFile.LoadWeights(model, files["whole_model.pth"]));
        Assert.Equal(ModelFileErrorKind.ForbiddenGlobal, error.Kind);
        Assert.Contains("torch.nn.modules.container.Sequential", error.Message, StringComparison.Ordinal);
    }

    /// <summary>The files, written once.</summary>
    public sealed class Checkpoints : IDisposable
    {
        private readonly TemporaryFolder _folder = new();
        private bool _written;

        public MaskRcnnModel Model { get; } = MaskRcnn.ResNet18Fpn(3, Small.Options);

        public string this[string name]
        {
            get
            {
                DebianTorchvision.SkipWhenMissing();
                if (!_written)
                    Write();
                return _folder.File(name);
            }
        }

        public void Dispose()
        {
            Model.Dispose();
            _folder.Dispose();
        }

        private void Write()
        {
            TorchvisionExporter.Export(Model, new DetectorDescription { Model = "maskrcnn_resnet18_fpn", ClassNames = ["one", "two"], Options = Model.Options }, _folder.File("exported"));
            DebianTorchvision.Run(Path.Combine(AppContext.BaseDirectory, "Torchvision", "make_checkpoints.py"), _folder.File("exported"), _folder.Path);
            _written = true;
        }
    }
}
