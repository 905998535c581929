using System.Text.Json.Nodes;
using FilterPruning.Detection.Data;
using FilterPruning.Detection.Models;

namespace FilterPruning.Cli.Tests;

/// <summary>Every verb on the sample checkpoint: exit codes, what is on standard output, and what is in the files.</summary>
public sealed class CommandTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private static string Sample => SampleCheckpoint.Find();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Inspect_lists_layers_groups_and_reasons()
    {
        var result = await Tool.RunAsync("inspect", "--weights", Sample, "--explain", "roi_heads.box_predictor.cls_score", "--json");

        Assert.Equal(ExitCode.Done, result.ExitCode);
        var layers = result.Json["layers"]!.AsArray();
        var output = layers.Single(layer => (string)layer!["name"]! == "roi_heads.box_predictor.cls_score")!;
        Assert.False((bool)output["prunable"]!);
        Assert.NotNull(output["reason"]);
        Assert.Equal(6, (int)output["outputChannels"]!);
        string[] kept = [.. layers.Where(layer => !(bool)layer!["prunable"]!).Select(layer => (string)layer!["name"]!).Order(StringComparer.Ordinal)];
        Assert.Equal(
            ["roi_heads.box_predictor.bbox_pred", "roi_heads.box_predictor.cls_score", "roi_heads.mask_predictor.mask_fcn_logits", "rpn.head.bbox_pred", "rpn.head.cls_logits"], kept);
        Assert.Contains("cls_score", (string)result.Json["explanation"]!, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("l1", "l1")]
    [InlineData("L2", "l2")]
    [InlineData("lp", "lp:0.5")]
    [InlineData("lp:3", "lp:3")]
    [InlineData("fpgm", "fpgm")]
    [InlineData("bn-scale", "bn-scale")]
    [InlineData("lamp", "lamp")]
    [InlineData("random", "random")]
    public void Every_criterion_that_needs_no_data_has_a_name(string given, string name) => Assert.Equal(name, CriterionNames.Create(given, 0).Name);

    [Fact]
    public async Task Prune_prepares_a_criterion_that_needs_it()
    {
        var result = await Tool.RunAsync("prune", "--weights", Sample, "--ratio", "0.4", "--criterion", "bn-scale", "--out", _folder["out.safetensors"], "--plan", _folder["plan.json"], "--json");
        Assert.Equal(ExitCode.Done, result.ExitCode);
        var plan = FilterPruning.Planning.PruningPlan.FromJson(await File.ReadAllTextAsync(_folder["plan.json"], TestContext.Current.CancellationToken));
        Assert.Equal("bn-scale", plan.Settings.Criterion);
        Assert.True(plan.RemovedGroups > 0.35 * plan.TotalGroups);
    }

    [Fact]
    public async Task Prune_repairs_without_a_single_image()
    {
        var result = await Tool.RunAsync("prune", "--weights", Sample, "--ratio", "0.2", "--repair", "data-free", "--images", "1", "--out", _folder["out.safetensors"], "--json");
        Assert.Equal(ExitCode.Done, result.ExitCode);
        Assert.Equal(1, (int)result.Json["repairedFrom"]!);
        Assert.InRange((double)result.Json["proofError"]!, 0, 1e-4);
    }

    [Fact]
    public async Task Prune_evaluate_and_detect_work_on_each_others_files()
    {
        var pruned = _folder["pruned.safetensors"];
        var prune = await Tool.RunAsync("prune", "--weights", Sample, "--ratio", "0.4", "--repair", "shapescenes", "--images", "4", "--out", pruned, "--plan", _folder["plan.json"], "--json");

        Assert.Equal(ExitCode.Done, prune.ExitCode);
        var json = prune.Json;
        Assert.True((long)json["parameters"]!["after"]! < 0.5 * (long)json["parameters"]!["before"]!);
        Assert.True((long)json["macs"]!["after"]! < (long)json["macs"]!["before"]!);
        Assert.InRange((double)json["proofError"]!, 0, 1e-4);
        Assert.True((double)json["seconds"]! > 0);
        var stem = json["layers"]!.AsArray().Single(layer => (string)layer!["name"]! == "backbone.body.conv1")!;
        Assert.Equal(0.6, (double)(int)stem["after"]! / (int)stem["before"]!, 0.02);
        Assert.Equal(await File.ReadAllTextAsync(_folder["plan.json"], TestContext.Current.CancellationToken), DetectorFile.ReadPlan(pruned)!.ToJson());

        var eval = await Tool.RunAsync("eval", "--weights", pruned, "--data", "shapescenes", "--images", "4", "--json");
        Assert.Equal(ExitCode.Done, eval.ExitCode);
        Assert.Equal(4, (int)eval.Json["images"]!);
        foreach (var name in new[] { "AP", "AP50", "AP75", "APsmall", "APmedium", "APlarge", "AR1", "AR10", "AR100", "ARsmall", "ARmedium", "ARlarge" })
        {
            Assert.InRange((double)eval.Json["mask"]![name]!, -1, 1);
            Assert.InRange((double)eval.Json["box"]![name]!, -1, 1);
        }

        var beside = await Tool.RunAsync("eval", "--weights", pruned, "--against", Sample, "--rounds", "1", "--data", "shapescenes", "--images", "4", "--json");
        var alone = await Tool.RunAsync("eval", "--weights", Sample, "--data", "shapescenes", "--images", "4", "--json");
        var against = beside.Json["against"]!;
        Assert.Equal(alone.Json.ToJsonString(), against["figures"]!.ToJsonString());
        Assert.Equal((long)json["parameters"]!["before"]!, (long)against["parameters"]!["against"]!);
        Assert.Equal((long)json["parameters"]!["after"]!, (long)against["parameters"]!["this"]!);
        Assert.Equal((double)against["latencyMs"]!["against"]! / (double)against["latencyMs"]!["this"]!, (double)against["speedup"]!, 1e-3 * (double)against["speedup"]!);

        using (var sample = ShapeScenes.Create(4, 0).Load(1))
            ImageFile.SavePng(sample.Image, _folder["scene.png"]);
        var detect = await Tool.RunAsync("detect", "--weights", pruned, _folder["scene.png"], "--score", "0.3", "--out", _folder["found"], "--json");
        Assert.Equal(ExitCode.Done, detect.ExitCode);
        var image = detect.Json["images"]![0]!;
        var count = image["boxes"]!.AsArray().Count;
        Assert.Equal(count, image["masks"]!.AsArray().Count);
        Assert.All(image["masks"]!.AsArray(), mask => Assert.Equal([160, 160], mask!["size"]!.AsArray().Select(side => (int)side!)));
        Assert.True(new FileInfo(Path.Combine(_folder["found"], "scene.detections.png")).Length > 0);
    }

    [Fact]
    public async Task Many_pictures_are_found_in_as_one_by_one_and_in_order()
    {
        var scenes = ShapeScenes.Create(5, 0);
        var paths = Enumerable.Range(0, 5).Select(i => _folder[$"scene{4 - i}.png"]).ToArray();
        for (var i = 0; i < paths.Length; i++)
        {
            using var sample = scenes.Load(i);
            ImageFile.SavePng(sample.Image, paths[i]);
        }

        var together = await Tool.RunAsync(["detect", "--weights", Sample, .. paths, "--out", _folder["found"], "--json"]);
        Assert.Equal(ExitCode.Done, together.ExitCode);
        var images = together.Json["images"]!.AsArray();
        Assert.Equal(paths, images.Select(image => (string)image!["file"]!));
        Assert.All(paths, path => Assert.True(File.Exists(Path.Combine(_folder["found"], Path.GetFileNameWithoutExtension(path) + ".detections.png"))));
        Assert.Contains(images, image => image!["boxes"]!.AsArray().Count > 0);
        foreach (var (image, path) in images.Zip(paths).Take(2))
        {
            var alone = (await Tool.RunAsync("detect", "--weights", Sample, path, "--json")).Json["images"]![0]!;
            Assert.Equal(alone["masks"]!.ToJsonString(), image!["masks"]!.ToJsonString());
            Assert.Equal(alone["labels"]!.ToJsonString(), image["labels"]!.ToJsonString());
            // Threads share sums out differently.
            Assert.All(alone["scores"]!.AsArray().Zip(image["scores"]!.AsArray()), pair => Assert.Equal((double)pair.First!, (double)pair.Second!, 1e-4));
        }
    }

    [Fact]
    public async Task A_picture_that_cannot_be_read_among_others_is_named()
    {
        using (var sample = ShapeScenes.Create(1, 0).Load(0))
            ImageFile.SavePng(sample.Image, _folder["good.png"]);
        File.WriteAllText(_folder["bad.png"], "no picture");
        var result = await Tool.RunAsync("detect", "--weights", Sample, _folder["good.png"], _folder["bad.png"], "--json");
        Assert.Equal(ExitCode.BadInput, result.ExitCode);
        Assert.Contains("bad.png", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_pruned_model_can_be_pruned_again()
    {
        await Tool.RunAsync("prune", "--weights", Sample, "--ratio", "0.25", "--out", _folder["one.safetensors"], "--json");
        var again = await Tool.RunAsync("prune", "--weights", _folder["one.safetensors"], "--ratio", "0.25", "--out", _folder["two.safetensors"], "--json");

        Assert.Equal(ExitCode.Done, again.ExitCode);
        using var loaded = DetectorFile.Load(_folder["two.safetensors"]).Model;
        Assert.Equal((long)again.Json["parameters"]!["after"]!, loaded.parameters().Sum(parameter => parameter.numel()));
    }

    [Theory]
    [InlineData("--target-macs", "0.5", "local")]
    [InlineData("--target-params", "50%", "isomorphic")]
    [InlineData("--target-bytes", "4MB", "global")]
    public async Task Prune_meets_a_target(string option, string value, string scope)
    {
        var path = _folder["target.safetensors"];
        var result = await Tool.RunAsync("prune", "--weights", Sample, option, value, "--scope", scope, "--normalization", "mean", "--max-layer-ratio", "0.95", "--layer-ratio", "backbone.body.conv1=0.25", "--out", path, "--json");

        Assert.Equal(ExitCode.Done, result.ExitCode);
        var (remains, most) = option switch
        {
            "--target-macs" => ((long)result.Json["macs"]!["after"]!, 0.5 * (long)result.Json["macs"]!["before"]!),
            "--target-params" => ((long)result.Json["parameters"]!["after"]!, 0.5 * (long)result.Json["parameters"]!["before"]!),
            _ => (DataBytes(path), 4e6),
        };
        Assert.InRange(remains, 0.99 * most, most);
        var stem = result.Json["layers"]!.AsArray().Single(layer => (string)layer!["name"]! == "backbone.body.conv1")!;
        Assert.Equal(0.75, (double)(int)stem["after"]! / (int)stem["before"]!, 0.02);
    }

    // Eight bytes of length, the header, the tensors.
    private static long DataBytes(string path)
    {
        using var file = File.OpenRead(path);
        return file.Length - 8 - (long)new BinaryReader(file).ReadUInt64();
    }

    [Fact]
    public async Task Train_writes_a_detector_that_loads()
    {
        var result = await Tool.RunAsync("train", "--data", "shapescenes", "--images", "16", "--out", _folder["trained.safetensors"], "--json");

        Assert.Equal(ExitCode.Done, result.ExitCode);
        Assert.Equal(2, (int)result.Json["iterations"]!);
        var (model, description) = DetectorFile.Load(_folder["trained.safetensors"]);
        using var owned = model;
        Assert.Equal(5, description.ClassNames.Count);
        Assert.False(File.Exists(_folder["trained.safetensors.training"]));
    }

    [Fact]
    public async Task Demo_writes_a_report_and_a_model_that_loads_identically()
    {
        var result = await Tool.RunAsync("demo", "--out", _folder["demo"], "--images", "8", "--json");

        Assert.Equal(ExitCode.Done, result.ExitCode);
        Assert.True((bool)result.Json["loadsIdentically"]!);
        Assert.True((double)result.Json["repaired"]!["mask"]!["AP50"]! > (double)result.Json["raw"]!["mask"]!["AP50"]!);
        Assert.True((double)result.Json["chosen"]!["mask"]!["AP50"]! > (double)result.Json["raw"]!["mask"]!["AP50"]!);
        Assert.InRange((double)result.Json["chosen"]!["macs"]! / (double)result.Json["repaired"]!["macs"]!, 0.95, 1);
        var page = await File.ReadAllTextAsync(Path.Combine(_folder["demo"], "index.html"), TestContext.Current.CancellationToken);
        Assert.DoesNotContain("src=\"http", page, StringComparison.Ordinal);
        Assert.Contains("data:image/png;base64,", page, StringComparison.Ordinal);
        Assert.NotNull(JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(_folder["demo"], "plan.json"), TestContext.Current.CancellationToken)));
    }

    [Theory]
    [InlineData("prune")]
    [InlineData("inspect")]
    [InlineData("eval")]
    [InlineData("detect")]
    [InlineData("train")]
    [InlineData("finetune")]
    [InlineData("study")]
    public async Task Help_shows_examples(string verb)
    {
        var result = await Tool.RunAsync(verb, "--help");
        Assert.Equal(ExitCode.Done, result.ExitCode);
        Assert.Contains($"filter-pruning {verb}", result.Output, StringComparison.Ordinal);
        Assert.Contains("Examples:", result.Output, StringComparison.Ordinal);
    }
}
