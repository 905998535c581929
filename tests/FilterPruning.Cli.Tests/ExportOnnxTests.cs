using System.CommandLine;
using System.Diagnostics;
using FilterPruning.Cli.Commands;
using FilterPruning.Cli.Export;
using FilterPruning.Detection.Data;
using FilterPruning.Detection.Models;
using FilterPruning.Detection.Onnx;

namespace FilterPruning.Cli.Tests;

/// <summary><c>export --format onnx</c>, and the sample program that runs what it writes.</summary>
public sealed class ExportOnnxTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private static string Sample => SampleCheckpoint.Find();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task The_graph_is_compared_timed_and_run_by_the_sample()
    {
        var path = _folder["scenes.onnx"];
        using (var sample = ShapeScenes.Create(4, 0).Load(1))
            ImageFile.SavePng(sample.Image, _folder["scene.png"]);
        var first = await Tool.RunAsync("export", "--weights", Sample, "--out", path, "--threads", "1", "--json");
        Assert.Equal(ExitCode.Done, first.ExitCode);
        Assert.True((int)first.Json["verify"]!["matched"]! >= 3);
        Assert.InRange((double)first.Json["verify"]!["boxPixels"]!, 0, DetectionComparison.BoxTolerance);
        Assert.Equal(new FileInfo(path).Length, (long)first.Json["files"]![0]!["bytes"]!);

        var second = await Tool.RunAsync(
            "export", "--weights", Sample, "--out", _folder["boxes.onnx"], "--box-masks", "--half", "--separate", "--external-data", "--opset", "20", "--image", _folder["scene.png"],
            "--threads", "1", "--time", "1", "--against", path, "--json");
        Assert.Equal(ExitCode.Done, second.ExitCode);
        Assert.True((int)second.Json["verify"]!["matched"]! >= 1);
        Assert.True((double)second.Json["time"]!["speedUp"]! > 0);
        string[] written = [.. Directory.EnumerateFileSystemEntries(_folder.Root).Select(file => Path.GetFileName(file)!).Order(StringComparer.Ordinal)];
        Assert.Equal(["boxes.backbone.onnx", "boxes.backbone.onnx.data", "boxes.heads.onnx", "boxes.heads.onnx.data", "scene.png", "scenes.onnx"], written);

        var drawn = await RunSample(path, _folder["scene.png"], _folder["drawn.png"]);
        using var model = DetectorFile.Load(Sample).Model;
        using var image = ImageFile.Load(_folder["scene.png"]);
        using var found = model.Detect([image])[0];
        var expected = found.Scores.data<float>().Count(score => score >= 0.5f);
        Assert.Equal(expected + 1, drawn.Length);
        Assert.StartsWith($"{expected} object(s)", drawn[^1], StringComparison.Ordinal);
        Assert.Contains(drawn, line => ShapeScenes.Create(1, 0).ClassNames.Any(name => line.StartsWith(name, StringComparison.Ordinal)));
        using var picture = ImageFile.Load(_folder["drawn.png"]);
        Assert.Equal(image.shape, picture.shape);
        Assert.True((picture - image).abs().max().item<float>() > 0.2f);
    }

    [Fact]
    public void A_graph_that_answers_otherwise_is_not_kept()
    {
        var path = _folder["detector.onnx"];
        File.WriteAllText(path, "what was there");
        using var model = DetectorFile.Load(Sample).Model;
        var format = new OnnxExport((_, _, _, _) => new DetectionComparison(3, 3, 3, 0.06, 0, 1));
        var command = new Command("export");
        format.AddOptions(command);

        var result = format.Run(new ExportJob(command.Parse([]), model, DetectorFile.Describe(Sample)!, null, path, CancellationToken.None));

        Assert.Contains("0.06", result.Error, StringComparison.Ordinal);
        Assert.Equal("what was there", File.ReadAllText(path));
        Assert.Single(Directory.EnumerateFileSystemEntries(_folder.Root));
    }

    [Fact]
    public async Task Wrong_options_are_bad_input()
    {
        await Refuses("--format", "--format", "caffe");
        await Refuses("Opset is 3", "--opset", "3");
        await Refuses("no file", "--image", "nothing.png");
        await Refuses("--time", "--against", Sample);
        await Refuses("--threads", "--threads", "-1");
        Assert.Contains("Examples:", (await Tool.RunAsync("export", "--help")).Output, StringComparison.Ordinal);
        Assert.Equal("export", ExportCommand.Create().Name);
    }

    private async Task Refuses(string said, params string[] options)
    {
        var result = await Tool.RunAsync(["export", "--weights", Sample, "--out", _folder["out.onnx"], .. options]);
        Assert.Equal(ExitCode.BadInput, result.ExitCode);
        Assert.Contains(said, result.Error, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder.Root));
    }

    // In a process of its own, from its own folder: TorchSharp is not in it.
    private static async Task<string[]> RunSample(params string[] arguments)
    {
        var output = new DirectoryInfo(AppContext.BaseDirectory);
        var root = output;
        while (!File.Exists(Path.Combine(root.FullName, "FilterPruning.sln")))
            root = root.Parent!;
        var program = Path.Combine(root.FullName, "samples", "OnnxDetector", "bin", output.Parent!.Name, output.Name, "OnnxDetector.dll");
        Assert.DoesNotContain("TorchSharp", await File.ReadAllTextAsync(Path.ChangeExtension(program, ".deps.json")), StringComparison.OrdinalIgnoreCase);
        var start = new ProcessStartInfo("dotnet", [program, .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var lines = (await process.StandardOutput.ReadToEndAsync()).Trim().Split('\n');
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, await error);
        return lines;
    }
}
