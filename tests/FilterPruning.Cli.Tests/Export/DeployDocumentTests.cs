using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using FilterPruning.Detection.Data;
using FilterPruning.Tests.Shared;

namespace FilterPruning.Cli.Tests.Export;

/// <summary>The commands of docs/deploy.md, one after another in one shell: what a stranger types who has a checkout.</summary>
public sealed partial class DeployDocumentTests : IDisposable
{
    // The tool and the samples are built already: "dotnet run" would build them again, and a stranger's "filter-pruning" is installed.
    private const string Shell = """
        set -eu -o pipefail
        filter-pruning() { command dotnet "$TOOL" "$@"; }
        dotnet() {
          [ "$1 $2 $3 $4" = "run -c Release --project" ] && [ "$6" = "--" ] || { echo "unknown: dotnet $*" >&2; exit 1; }
          local project=$5; shift 6
          exec env dotnet "$project/bin/$OUTPUT/$(basename "$project").dll" "$@"
        }
        trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT

        """;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Every_command_of_the_document_runs()
    {
        DebianTorchvision.SkipWhenMissing();
        Assert.SkipUnless(File.Exists("/bin/bash") && File.Exists("/usr/bin/curl"), "The commands need bash and curl.");
        var output = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar)); // bin/CONFIGURATION/FRAMEWORK
        var root = output;
        while (!File.Exists(Path.Combine(root.FullName, "FilterPruning.sln")))
            root = root.Parent ?? throw new InvalidOperationException("These tests run from a checkout.");
        Directory.CreateSymbolicLink(_folder["samples"], Path.Combine(root.FullName, "samples"));
        using (var sample = ShapeScenes.Create(4, 0).Load(1))
            ImageFile.SavePng(sample.Image, _folder["photo.png"]);

        var text = await File.ReadAllTextAsync(Path.Combine(root.FullName, "docs", "deploy.md"), TestContext.Current.CancellationToken);
        var commands = string.Concat(Blocks().Matches(text).Select(block => block.Groups["code"].Value)).Replace("5081", FreePort().ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal);
        Assert.Equal(10, commands.Count(letter => letter == '\n'));
        // Each command's output in a file of its own, in order; a failing one ends the shell.
        var script = Shell + string.Join('\n', commands.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select((line, index) =>
            line.EndsWith('&') ? $"({line[..^1]}) > {index}.txt &" : $"({line}) > {index}.txt"));
        var start = new ProcessStartInfo("/bin/bash", ["-c", script]) { WorkingDirectory = _folder.Root, RedirectStandardError = true };
        start.Environment["TOOL"] = Path.Combine(output.FullName, "filter-pruning.dll");
        start.Environment["OUTPUT"] = Path.Combine(output.Parent!.Name, output.Name);
        using var bash = Process.Start(start)!;
        var error = bash.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await bash.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(bash.ExitCode == 0, await error);

        // The four ways find the same things in the picture.
        Assert.True(File.Exists(_folder["found/photo.detections.png"]) && File.Exists(_folder["onnx.png"]));
        var python = JsonNode.Parse(File.ReadAllText(_folder["5.txt"]))!["images"]![0]!["boxes"]!.AsArray();
        var server = JsonNode.Parse(File.ReadAllText(_folder["8.txt"]))!["boxes"]!.AsArray();
        var onnx = File.ReadAllLines(_folder["3.txt"]).Select(line => Box().Match(line)).Where(match => match.Success).ToList();
        Assert.NotEmpty(python);
        Assert.Equal((python.Count, python.Count), (server.Count, onnx.Count));
        // One decimal is printed by the console program; 0.05 px is what runtimes may differ by.
        var expected = python.Select(box => box!.AsArray().Select(value => (double)value!).ToArray()).OrderBy(box => box[0]).ToList();
        var served = server.Select(box => box!.AsArray().Select(value => (double)value!).ToArray()).OrderBy(box => box[0]).ToList();
        var printed = onnx.Select(match => match.Groups["number"].Captures.Select(one => double.Parse(one.Value, CultureInfo.InvariantCulture)).ToArray()).OrderBy(box => box[0]).ToList();
        for (var i = 0; i < expected.Count; i++)
        {
            for (var side = 0; side < 4; side++)
            {
                Assert.Equal(expected[i][side], served[i][side], 0.05);
                Assert.Equal(expected[i][side], printed[i][side], 0.05 + 0.05);
            }
        }

        Assert.NotNull(JsonNode.Parse(File.ReadAllText(_folder["9.txt"]))!["dense"]);
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    [GeneratedRegex("^```bash\\n(?<code>.*?)^```$", RegexOptions.Multiline | RegexOptions.Singleline | RegexOptions.ExplicitCapture)]
    private static partial Regex Blocks();

    [GeneratedRegex(@"\[((?<number>-?[0-9.]+)(, )?){4}\]", RegexOptions.ExplicitCapture)]
    private static partial Regex Box();
}
