using System.Diagnostics;
using System.Globalization;
using YamlDotNet.RepresentationModel;

namespace FilterPruning.Cli.Tests.Cluster;

/// <summary>The manifests in samples/cluster do what they say, as far as it can be seen without a cluster.</summary>
public sealed class ManifestTests : IDisposable
{
    private static readonly string Samples = Path.Combine(AppContext.BaseDirectory, "cluster");

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Four_tasks_of_an_array_give_the_file_of_one_process_and_a_lost_one_is_found()
    {
        Assert.SkipUnless(File.Exists("/bin/bash"), "The array's script needs bash.");
        string[] scan = ["--data", "shapescenes", "--images", "2", "--size", "64", "--weights", SampleCheckpoint.Find(), "--ratios", "0.5"];
        var one = await Tool.RunAsync(["scan", .. scan, "--out", _folder["one.jsonl"], "--json"]);
        Assert.Equal(ExitCode.Done, one.ExitCode);

        var tasks = Enumerable.Range(1, 4).Select(task => Run(
            "/bin/bash", [Path.Combine(Samples, "slurm-array.sh"), "scan", _folder.Root, .. scan],
            ("SLURM_ARRAY_TASK_ID", task.ToString(CultureInfo.InvariantCulture)), ("SHARDS", "4"), ("FILTER_PRUNING", $"dotnet {Path.Combine(AppContext.BaseDirectory, "filter-pruning.dll")}"), ("SLURM_CPUS_PER_TASK", "1"))).ToList();
        Assert.All(await Task.WhenAll(tasks), result => Assert.Equal("", result.Code == 0 ? "" : result.Error));

        string[] shards = [.. Enumerable.Range(1, 4).Select(task => _folder[$"shard-{task}.jsonl"])];
        var joined = await Tool.RunAsync(["scan", .. scan, "--out", _folder["all.jsonl"], "--json", "--join", .. shards]);
        Assert.Equal(ExitCode.Done, joined.ExitCode);
        Assert.Equal(await File.ReadAllTextAsync(_folder["one.jsonl"], TestContext.Current.CancellationToken), await File.ReadAllTextAsync(_folder["all.jsonl"], TestContext.Current.CancellationToken));

        var lost = await Tool.RunAsync(["scan", .. scan, "--out", _folder["rest.jsonl"], "--dry-run", "--shards", "4", "--json", "--join", .. shards.Where(shard => shard != shards[2])]);
        Assert.Equal([(1, false), (2, false), (3, true), (4, false)], lost.Json["shards"]!.AsArray().Select(shard => ((int)shard!["shard"]!, (int)shard["missing"]! > 0)));
        Assert.False(File.Exists(_folder["rest.jsonl"]));

        // What was scanned says how a budget is spent.
        var pruned = await Tool.RunAsync("prune", "--weights", SampleCheckpoint.Find(), "--target-macs", "0.6", "--scan", _folder["all.jsonl"], "--out", _folder["small.safetensors"], "--json");
        Assert.Equal(ExitCode.Done, pruned.ExitCode);
        Assert.InRange((double)pruned.Json["macs"]!["after"]! / (double)pruned.Json["macs"]!["before"]!, 0.5, 0.6);
    }

    [Fact]
    public async Task The_indexed_job_runs_every_part_once()
    {
        Assert.SkipUnless(File.Exists("/bin/sh"), "The job's command needs a shell.");
        using var text = new StreamReader(Path.Combine(Samples, "kubernetes-job.yaml"));
        var yaml = new YamlStream();
        yaml.Load(text);
        var job = yaml.Documents.Single().RootNode;
        Assert.Equal(("batch/v1", "Job", "Indexed"), (Text(job["apiVersion"]), Text(job["kind"]), Text(job["spec"]["completionMode"])));
        var parts = int.Parse(Text(job["spec"]["completions"]), CultureInfo.InvariantCulture);
        var container = job["spec"]["template"]["spec"]["containers"][0];
        Assert.Equal(["sh", "-c"], ((YamlSequenceNode)container["command"]).Select(Text));

        // A tool that only says what it was asked.
        await File.WriteAllTextAsync(_folder["filter-pruning"], "#!/bin/sh\nprintf '%s\\n' \"$@\"\n", TestContext.Current.CancellationToken);
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(_folder["filter-pruning"], UnixFileMode.UserRead | UnixFileMode.UserExecute);
        var (shards, files) = (new List<string>(), new List<string>());
        for (var index = 0; index < parts; index++)
        {
            var (code, output, error) = await Run(
                "/bin/sh", ["-c", Text(container["args"][0])],
                ("JOB_COMPLETION_INDEX", index.ToString(CultureInfo.InvariantCulture)), ("PATH", $"{_folder.Root}:{Environment.GetEnvironmentVariable("PATH")}"));
            Assert.Equal((0, ""), (code, error));
            var args = output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
            Assert.Empty(CommandLine.Build().Parse(args).Errors);
            shards.Add(args[Array.IndexOf(args, "--shard") + 1]);
            files.Add(args[Array.IndexOf(args, "--out") + 1]);
        }

        Assert.Equal(Enumerable.Range(1, parts).Select(part => $"{part}/{parts}"), shards);
        Assert.Equal(parts, files.Distinct().Count());
    }

    private static string Text(YamlNode node) => ((YamlScalarNode)node).Value!;

    private static async Task<(int Code, string Output, string Error)> Run(string program, IReadOnlyList<string> args, params (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo(program, args) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        var error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (process.ExitCode, await output, await error);
    }
}
