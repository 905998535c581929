using System.Diagnostics;
using FilterPruning.Detection.Data;
using FilterPruning.Detection.Training;
using FilterPruning.Reliability.Kills;
using FilterPruning.Storage;

namespace FilterPruning.Cli.Tests.Reliability;

/// <summary>Disks that are full, refuse, or go away: what was there stays, the message names the file, and the exit code says whose fault it is.</summary>
public sealed class BadDiskTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private static string Sample => SampleCheckpoint.Find();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("model", 400)]  // kB: less than the model
    [InlineData("plan", 60)]    // the plan's file alone is refused: its place is full
    public async Task A_disk_that_is_full_before_the_model_is_saved(string what, int limit)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && File.Exists("/bin/bash"), "Needs bash and ulimit.");
        var (model, plan) = (_folder["model.safetensors"], what == "plan" ? "/dev/full" : _folder["plan.json"]);
        await File.WriteAllTextAsync(model, "old", TestContext.Current.CancellationToken);

        // An ignored SIGXFSZ makes a write beyond the limit fail as one on a full disk does. The runtime's own files must not count: no memory is mapped twice.
        var (code, error) = await Shell($"{(what == "model" ? $"trap '' XFSZ; ulimit -f {limit};" : "")} exec \"$0\" \"$@\"", "prune", "--weights", Sample, "--ratio", "0.4", "--out", model, "--plan", plan);

        Assert.True(code == ExitCode.Failed, $"{code}: {error}");
        Assert.Contains(what == "model" ? model : plan, error, StringComparison.Ordinal);
        Assert.Contains("Make room", error, StringComparison.Ordinal);
        Assert.Equal(what == "model", await File.ReadAllTextAsync(model, TestContext.Current.CancellationToken) == "old");
        Assert.Equal([model], Directory.GetFiles(_folder.Root));
    }

    [Theory]
    [InlineData("prune --weights SAMPLE --ratio 0.4 --out /proc/x.safetensors")]
    [InlineData("prune --weights SAMPLE --ratio 0.4 --out FOLDER/x.safetensors --plan /proc/x.json")]
    [InlineData("train --data shapescenes --images 8 --out /proc/x.safetensors")]
    [InlineData("train --data shapescenes --images 8 --out /proc/x/y.safetensors")]
    [InlineData("train --data shapescenes --images 8 --out FOLDER")]
    [InlineData("detect --weights SAMPLE SAMPLE --out /proc/x")]
    [InlineData("demo --out /proc/x")]
    [InlineData("scan --weights SAMPLE --data shapescenes --images 1 --size 64 --out /proc/x.jsonl")]
    [InlineData("study --weights SAMPLE --data shapescenes --images 1 --out /proc/x.jsonl")]
    public async Task A_folder_that_must_not_be_written_to_is_bad_input(string command)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Needs a folder that not even root can write to: /proc.");
        var result = await Tool.RunAsync(command.Replace("SAMPLE", Sample, StringComparison.Ordinal).Replace("FOLDER", _folder.Root, StringComparison.Ordinal).Split(' '));
        Assert.True(result.ExitCode == ExitCode.BadInput, $"{result.ExitCode}: {result.Error}");
        Assert.Contains(command.Contains("/proc/x", StringComparison.Ordinal) ? "/proc/x" : _folder.Root, result.Error, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder.Root));
    }

    [Fact]
    public async Task A_report_that_cannot_be_written_leaves_the_old_one()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Needs /proc.");
        var result = await Tool.RunAsync("report", Path.Combine(AppContext.BaseDirectory, "nothing.jsonl"), "--out", "/proc/x");
        Assert.Equal(ExitCode.BadInput, result.ExitCode);
    }

    public static TheoryData<string, int> Errors => new()
    {
        { "disk", ExitCode.Failed }, { "write", ExitCode.Failed }, { "diverged", ExitCode.Failed }, { "fault", ExitCode.Failed },
        { "read", ExitCode.BadInput }, { "missing", ExitCode.BadInput }, { "argument", ExitCode.BadInput }, { "data", ExitCode.BadInput }, { "denied", ExitCode.BadInput },
    };

    [Theory]
    [MemberData(nameof(Errors))]
    public void The_exit_code_says_whose_fault_it_was(string what, int code)
    {
        Exception error = what switch
        {
            "disk" => new IOException("No space left on device"),
            "write" => new ModelFileException(ModelFileErrorKind.WriteFailed, "x", "full"),
            "diverged" => new TrainingDivergedException(3, "diverged"),
            "read" => new ModelFileException(ModelFileErrorKind.ReadFailed, "x", "unreadable"),
            "missing" => new FileNotFoundException("gone"),
            "argument" => new ArgumentException("bad"),
            "data" => new DatasetException("gone"),
            "denied" => new UnauthorizedAccessException("no"),
            _ => new InvalidOperationException("a fault of the tool's"),
        };
        Assert.Equal(code, CommandLine.Guard(() => throw error));
    }

    [Fact]
    public void Scratch_files_of_killed_processes_go_away_with_the_next()
    {
        using var living = new ScratchFile();
        File.WriteAllText(living.Path, "mine");
        var folder = Path.GetDirectoryName(living.Path)!;
        var dead = Path.Combine(folder, $"filter-pruning-scratch-{int.MaxValue}-1");
        foreach (var end in new[] { "", ".lock", ".77.partial" })
            File.WriteAllText(dead + end, "");

        string path;
        using (var next = new ScratchFile())
        {
            path = next.Path;
            File.WriteAllText(path, "mine too");
        }

        Assert.False(File.Exists(path));
        Assert.Empty(Directory.GetFiles(folder, Path.GetFileName(dead) + "*"));
        Assert.Equal("mine", File.ReadAllText(living.Path));
    }

    private static async Task<(int Code, string Error)> Shell(string script, params string[] arguments)
    {
        var start = new ProcessStartInfo("/bin/bash", ["-c", script, Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet", ToolProcess.Assembly, .. arguments]) { RedirectStandardError = true, RedirectStandardOutput = true };
        start.Environment["DOTNET_EnableWriteXorExecute"] = "0";
        start.Environment["DOTNET_EnableDiagnostics"] = "0";
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        var error = await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        await output;
        return (process.ExitCode, error);
    }
}
