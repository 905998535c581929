using System.Text.Json.Nodes;

namespace FilterPruning.Cli.Tests.Study;

/// <summary>The command as a user meets it.</summary>
public sealed class StudyCommandTests : IDisposable
{
    private static readonly string[] Volatile = ["latencyP50", "latencyP95", "denseLatencyP50", "denseLatencyP95", "peakMemoryBytes", "seconds"];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_small_grid_runs_goes_on_and_can_be_shared_out()
    {
        var whole = await Study("whole.jsonl");
        Assert.Equal(ExitCode.Done, whole.ExitCode);
        Assert.Equal((5, 5, 0, 0), ((int)whole.Json["points"]!, (int)whole.Json["measured"]!, (int)whole.Json["skipped"]!, (int)whole.Json["failed"]!));
        var lines = Lines("whole.jsonl");
        Assert.Equal([0.0, 0.3, 0.3, 0.6, 0.6], lines.Select(line => (double)line["ratio"]!));
        Assert.All(lines, line => Assert.Equal("measured", (string)line["status"]!));

        // Killed while it wrote the third line.
        var text = await File.ReadAllTextAsync(_folder["whole.jsonl"], TestContext.Current.CancellationToken);
        var third = text.IndexOf('\n', text.IndexOf('\n', StringComparison.Ordinal) + 1) + 1;
        await File.WriteAllTextAsync(_folder["torn.jsonl"], text[..(third + 40)], TestContext.Current.CancellationToken);
        var rest = await Study("torn.jsonl");
        Assert.Equal((3, 2), ((int)rest.Json["measured"]!, (int)rest.Json["skipped"]!));
        Assert.Contains(".torn", rest.Error, StringComparison.Ordinal);
        Assert.Equal(Lines("whole.jsonl").Select(Lasting), Lines("torn.jsonl").Select(Lasting));
        Assert.Equal(0, (int)(await Study("torn.jsonl")).Json["measured"]!);

        await Study("1.jsonl", "--shard", "1/2");
        await Study("2.jsonl", "--shard", "2/2");
        Assert.Equal(lines.Select(Lasting).Order(StringComparer.Ordinal), Lines("1.jsonl").Concat(Lines("2.jsonl")).Select(Lasting).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Cuts_are_fine_tuned_for_a_share_of_the_training()
    {
        // a few thousandths of 3000 iterations
        var result = await Tool.RunAsync(
            "study", "--data", "shapescenes", "--weights", SampleCheckpoint.Find(), "--size", "96", "--eval-images", "3", "--images", "2", "--latency-pairs", "0",
            "--criteria", "l1", "--scopes", "local", "--ratios", "0.6", "--repairs", "least-squares", "--fine-tune", "0.001", "--out", _folder["tuned.jsonl"], "--json");
        Assert.Equal(ExitCode.Done, result.ExitCode);
        var lines = Lines("tuned.jsonl");
        Assert.Equal([(false, null), (true, 0.001)], lines.Select(line => ((bool)line["fineTuned"]!, (double?)line["budget"])));
        Assert.Equal((string)lines[0]["status"]!, (string)lines[1]["status"]!);
        Assert.Equal((long)lines[0]["parameters"]!, (long)lines[1]["parameters"]!);
        Assert.NotEqual((double)lines[0]["boxAP"]!, (double)lines[1]["boxAP"]!);
        Assert.True((double)lines[1]["seconds"]!["treat"]! > 0);
    }

    [Fact]
    public async Task A_dry_run_lists_points_with_times_and_writes_nothing()
    {
        var json = await Study("none.jsonl", "--dry-run");
        Assert.Equal(5, json.Json["points"]!.AsArray().Count);
        Assert.Equal(5, (int)json.Json["missing"]!);
        Assert.True((double)json.Json["seconds"]! > 0);
        Assert.Empty(Directory.GetFiles(_folder.Root));

        var text = await Tool.RunAsync("study", "--data", "shapescenes", "--weights", SampleCheckpoint.Find(), "--out", _folder["none.jsonl"], "--dry-run");
        Assert.Contains("325 points", text.Output, StringComparison.Ordinal);
        Assert.Contains("random (seed 2), global-raw, all, 0.9, least-squares", text.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--criteria", "l1,l3", "l3", "gram")]
    [InlineData("--best", "wurst", "wurst", "l1")]
    [InlineData("--scopes", "globule", "globule", "global-raw")]
    [InlineData("--layers", "outer", "outer", "backbone")]
    [InlineData("--ratios", "0.1,1", "'1'", "--ratios")]
    [InlineData("--targets", "macs", "macs", "colon")]
    [InlineData("--fine-tune", "0.25,0", "'0'", "--fine-tune")]
    [InlineData("--repairs", "duct-tape", "duct-tape", "least-squares")]
    [InlineData("--seeds", "one", "one", "--seeds")]
    [InlineData("--shard", "3/2", "3/2", "1 <= i <= n")]
    [InlineData("--images", "0", "--images", "at least 1")]
    [InlineData("--eval-images", "0", "--eval-images", "at least 1")]
    [InlineData("--latency-pairs", "-1", "--latency-pairs", "at least 0")]
    [InlineData("--points", "0", "--points", "at least 1")]
    [InlineData("--size", "8", "--size", "32")]
    [InlineData("--data", "nowhere", "nowhere", "Penn-Fudan")]
    [InlineData("--weights", "nothing.safetensors", "nothing.safetensors", "--weights")]
    [InlineData("--out", "no/such/folder/x.jsonl", "folder", "Create it")]
    public async Task Wrong_options_are_named(string option, string value, params string[] words)
    {
        var args = new Dictionary<string, string> { ["--data"] = "shapescenes", ["--weights"] = SampleCheckpoint.Find(), ["--out"] = _folder["out.jsonl"], [option] = value };
        var result = await Tool.RunAsync(["study", .. args.Select(entry => $"{entry.Key}={entry.Value}")]);

        Assert.Equal(ExitCode.BadInput, result.ExitCode);
        Assert.All(words, word => Assert.Contains(word, result.Error, StringComparison.Ordinal));
        Assert.Empty(result.Output);
        Assert.Empty(Directory.GetFiles(_folder.Root));
    }

    [Fact]
    public async Task A_folder_without_test_images_of_its_own_and_a_pruned_model_are_refused()
    {
        var folder = await Tool.RunAsync("study", "--data", _folder.Root, "--weights", SampleCheckpoint.Find(), "--out", _folder["out.jsonl"]);
        Assert.Equal(ExitCode.BadInput, folder.ExitCode);
        Assert.Contains("no Penn-Fudan folder", folder.Error, StringComparison.Ordinal);

        await Tool.RunAsync("prune", "--weights", SampleCheckpoint.Find(), "--ratio", "0.5", "--out", _folder["small.safetensors"], "--json");
        var pruned = await Tool.RunAsync("study", "--data", "shapescenes", "--weights", _folder["small.safetensors"], "--out", _folder["out.jsonl"]);
        Assert.Equal(ExitCode.BadInput, pruned.ExitCode);
        Assert.Contains("pruned already", pruned.Error, StringComparison.Ordinal);
    }

    private async Task<ToolResult> Study(string file, params string[] more) => await Tool.RunAsync(
    [
        "study", "--data", "shapescenes", "--weights", SampleCheckpoint.Find(), "--size", "96", "--eval-images", "3", "--images", "2", "--latency-pairs", "1",
        "--criteria", "l1", "--scopes", "local", "--ratios", "0,0.3,0.6", "--out", _folder[file], "--json", .. more,
    ]);

    private JsonObject[] Lines(string file) => [.. File.ReadAllLines(_folder[file]).Select(line => JsonNode.Parse(line)!.AsObject())];

    private static string Lasting(JsonObject line)
    {
        var copy = line.DeepClone().AsObject();
        foreach (var name in Volatile)
            copy.Remove(name);
        return copy.ToJsonString();
    }
}
