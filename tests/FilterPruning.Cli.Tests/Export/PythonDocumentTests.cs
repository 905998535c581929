using System.Text.RegularExpressions;
using FilterPruning.Detection.Data;
using FilterPruning.Storage;
using FilterPruning.Tests.Shared;

namespace FilterPruning.Cli.Tests.Export;

/// <summary>The commands and Python blocks of docs/python.md, one after another in one folder.</summary>
public sealed partial class PythonDocumentTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly string _before = Environment.CurrentDirectory;

    public void Dispose()
    {
        Environment.CurrentDirectory = _before;
        _folder.Dispose();
    }

    [Fact]
    public async Task Every_command_of_the_document_runs()
    {
        DebianTorchvision.SkipWhenMissing();
        var root = Root();
        Directory.CreateSymbolicLink(_folder["samples"], Path.Combine(root, "samples"));
        using (var sample = ShapeScenes.Create(4, 0).Load(1))
            ImageFile.SavePng(sample.Image, _folder["scene.png"]);
        Environment.CurrentDirectory = _folder.Root; // tests of this assembly run one at a time
        var text = await File.ReadAllTextAsync(Path.Combine(root, "docs", "python.md"), TestContext.Current.CancellationToken);
        var (commands, scripts) = (0, 0);
        foreach (Match block in Blocks().Matches(text))
        {
            if (block.Groups["language"].Value == "python")
            {
                await File.WriteAllTextAsync(_folder["block.py"], block.Groups["code"].Value, TestContext.Current.CancellationToken);
                DebianTorchvision.Run(_folder["block.py"]);
                scripts++;
                continue;
            }

            foreach (var line in block.Groups["code"].Value.Split('\n', StringSplitOptions.RemoveEmptyEntries))
            {
                await RunAsync(line.Split(' '));
                commands++;
            }
        }

        Assert.Equal((9, 3), (commands, scripts));
        using var pruned = SafetensorsFile.Open(_folder["pruned-python/model.safetensors"]);
        using var same = SafetensorsFile.Open(_folder["same-python/model.safetensors"]);
        Assert.Equal(pruned.Names.Order(StringComparer.Ordinal), same.Names.Order(StringComparer.Ordinal));
        foreach (var name in pruned.Names)
        {
            using var scope = NewDisposeScope();
            Assert.True(pruned.Read(name).equal(same.Read(name)).all().item<bool>(), name);
        }

        Assert.Equal("external", PrunedModel.ReadPlan(_folder["from-python.safetensors"]).Settings.Criterion);
    }

    private static async Task RunAsync(string[] words)
    {
        if (words[0] == "python3")
        {
            DebianTorchvision.Run(words[1], words[2..]);
            return;
        }

        Assert.Equal("filter-pruning", words[0]);
        var result = await Tool.RunAsync([.. words[1..], "--json"]); // tables go to the console that the first test had
        Assert.True(result.ExitCode == ExitCode.Done, $"{string.Join(' ', words)}: {result.Error}");
        if (words.Contains("--weights-key"))
            Assert.Contains("Took the weights under 'model_ema.module' of 'checkpoint.pth'; there are others under 'model'", result.Error, StringComparison.Ordinal);
    }

    private static string Root()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "FilterPruning.sln")))
            folder = folder.Parent ?? throw new InvalidOperationException("These tests run from a checkout.");
        return folder.FullName;
    }

    [GeneratedRegex("^```(?<language>bash|python)\\n(?<code>.*?)^```$", RegexOptions.Multiline | RegexOptions.Singleline | RegexOptions.ExplicitCapture)]
    private static partial Regex Blocks();
}
