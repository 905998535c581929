using System.Text.Json.Nodes;
using FilterPruning.Detection.Data;
using FilterPruning.Tests.Shared;

namespace FilterPruning.Cli.Tests.Export;

/// <summary><c>export --format torchvision</c> from the command line to a picture's detections in Python.</summary>
public sealed class TorchvisionExportCommandTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_pruned_detector_finds_in_Python_what_the_tool_finds()
    {
        await Tool.RunAsync("prune", "--weights", SampleCheckpoint.Find(), "--ratio", "0.3", "--out", _folder["pruned.safetensors"], "--json");
        var export = await Tool.RunAsync("export", "--weights", _folder["pruned.safetensors"], "--format", "torchvision", "--out", _folder["python"], "--json");
        Assert.Equal(ExitCode.Done, export.ExitCode);
        Assert.Equal(["model.safetensors", "widths.json", "model.py"], export.Json["files"]!.AsArray().Select(file => Path.GetFileName((string)file!["file"]!)));
        Assert.All(export.Json["files"]!.AsArray(), file => Assert.Equal(new FileInfo((string)file!["file"]!).Length, (long)file["bytes"]!));

        using (var sample = ShapeScenes.Create(4, 0).Load(1))
            ImageFile.SavePng(sample.Image, _folder["scene.png"]);
        var there = JsonNode.Parse(DebianTorchvision.Run(Path.Combine(_folder["python"], "model.py"), _folder["scene.png"], "--score", "0.2"))!["images"]![0]!;
        var here = (await Tool.RunAsync("detect", "--weights", _folder["pruned.safetensors"], _folder["scene.png"], "--score", "0.2", "--json")).Json["images"]![0]!;
        Assert.Equal((160, 160), ((int)there["height"]!, (int)there["width"]!));
        var count = here["scores"]!.AsArray().Count;
        Assert.True(count > 0);
        Assert.Equal(here["names"]!.ToJsonString(), there["names"]!.ToJsonString());
        Assert.Equal(here["labels"]!.ToJsonString(), there["labels"]!.ToJsonString());
        for (var i = 0; i < count; i++)
        {
            Assert.Equal((float)here["scores"]![i]!, (float)there["scores"]![i]!, 1e-3);
            for (var corner = 0; corner < 4; corner++)
                Assert.Equal((float)here["boxes"]![i]![corner]!, (float)there["boxes"]![i]![corner]!, 0.05);
            var area = RleMask.FromCocoString((string)here["masks"]![i]!["counts"]!, 160, 160).Area;
            var counts = there["masks"]![i]!["counts"]!.AsArray().Select(run => (long)run!).ToArray();
            Assert.Equal(160 * 160, counts.Sum());
            Assert.InRange(counts.Where((_, run) => run % 2 == 1).Sum(), area * 0.99, area * 1.01);
        }
    }

    [Fact]
    public async Task A_folder_that_holds_something_else_is_bad_input()
    {
        Directory.CreateDirectory(_folder["python"]);
        await File.WriteAllTextAsync(Path.Combine(_folder["python"], "mine.txt"), "mine", TestContext.Current.CancellationToken);
        var result = await Tool.RunAsync("export", "--weights", SampleCheckpoint.Find(), "--format", "torchvision", "--out", _folder["python"]);
        Assert.Equal(ExitCode.BadInput, result.ExitCode);
        Assert.Contains("mine.txt", result.Error, StringComparison.Ordinal);
        Assert.Single(Directory.EnumerateFileSystemEntries(_folder["python"]));
    }

    [Fact]
    public async Task A_format_that_is_not_known_is_answered_with_those_that_are()
    {
        var result = await Tool.RunAsync("export", "--weights", SampleCheckpoint.Find(), "--format", "torch", "--out", _folder["python"]);
        Assert.Equal(ExitCode.BadInput, result.ExitCode);
        Assert.Contains("torchvision", result.Error, StringComparison.Ordinal);
    }
}
