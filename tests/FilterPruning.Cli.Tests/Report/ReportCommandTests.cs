using FilterPruning.Cli.Report;

namespace FilterPruning.Cli.Tests.Report;

/// <summary>The command on files: what it writes, what it refuses, and what its check finds.</summary>
public sealed class ReportCommandTests : IDisposable
{
    private const string Document = "# Title\n\n<!-- table: accuracy dataset=made -->\n<!-- /table -->\n\nThe end.\n";

    private readonly TemporaryFolder _folder = new();

    public ReportCommandTests()
    {
        Lines.Write(_folder["a.jsonl"], Lines.Dense(), Lines.Point("l1", "local", 0.5, "none", 0.2));
        File.WriteAllText(_folder["doc.md"], Document);
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_document_is_filled_and_then_up_to_date_until_the_results_change()
    {
        string[] args = ["report", _folder["a.jsonl"], "--document", _folder["doc.md"], "--out", _folder["out"]];
        var stale = await Tool.RunAsync([.. args, "--check", "--json"]);
        Assert.Equal(ExitCode.Failed, stale.ExitCode);
        Assert.Equal(2, stale.Json["outOfDate"]!.AsArray().Count);
        Assert.False(Directory.Exists(_folder["out"]));
        Assert.Equal(Document, await File.ReadAllTextAsync(_folder["doc.md"]));

        var written = await Tool.RunAsync([.. args, "--json"]);
        Assert.Equal(ExitCode.Done, written.ExitCode);
        Assert.Equal(2, (int)written.Json["points"]!);
        Assert.Equal(["made-iou-at-50.png", "made-mask-ap50.png", "made-mask-ap75.png", "made-match-rate.png", "made.md"], Directory.GetFiles(_folder["out"]).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        var text = await File.ReadAllTextAsync(_folder["doc.md"]);
        Assert.StartsWith("# Title\n\n<!-- table: accuracy dataset=made -->\n| criterion |", text, StringComparison.Ordinal);
        Assert.EndsWith("\n<!-- /table -->\n\nThe end.\n", text, StringComparison.Ordinal);

        Assert.Equal(ExitCode.Done, (await Tool.RunAsync([.. args, "--check"])).ExitCode);
        await File.AppendAllTextAsync(_folder["a.jsonl"], Lines.Point("l1", "local", 0.5, "none", 0.3).ToJsonString() + "\n");
        var changed = await Tool.RunAsync([.. args, "--check"]);
        Assert.Equal(ExitCode.Failed, changed.ExitCode);
        Assert.Contains("a.jsonl:3 repeats a.jsonl:2", changed.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_folder_stands_for_its_results_files()
    {
        Lines.Write(_folder["b.jsonl"], Lines.Point("l2", "local", 0.5, "none", 0.2));
        var result = await Tool.RunAsync("report", _folder.Root, "--document", _folder["doc.md"], "--json");
        Assert.Equal(3, (int)result.Json["points"]!);
    }

    [Fact]
    public async Task Bad_input_is_named_and_nothing_is_written()
    {
        await Refuses("--out", "report", _folder["a.jsonl"]);
        await Refuses("nothing.jsonl", "report", _folder["nothing.jsonl"], "--out", _folder["out"]);
        await Refuses("no.md", "report", _folder["a.jsonl"], "--document", _folder["no.md"], "--out", _folder["out"]);
        await File.WriteAllTextAsync(_folder["bad.md"], "\n<!-- table: accuracys -->\n<!-- /table -->\n");
        await Refuses("Line 2", "report", _folder["a.jsonl"], "--document", _folder["bad.md"], "--out", _folder["out"]);
        await File.WriteAllTextAsync(_folder["b.jsonl"], "{\n}\n");
        await Refuses("line 1", "report", _folder["b.jsonl"], "--out", _folder["out"]);
    }

    [Fact]
    public async Task Every_marker_of_the_projects_results_can_be_filled()
    {
        var text = await File.ReadAllTextAsync(Path.Combine(Root(), "docs", "results.md"));
        var requests = new List<string>();
        MarkedDocument.Fill(text, request =>
        {
            requests.Add(request);
            return StudyTables.Build(TableRequest.Parse(request), new ResultSet([], []));
        });
        Assert.Contains(requests, request => request.StartsWith("goals", StringComparison.Ordinal));
    }

    private static string Root()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "FilterPruning.sln")))
            folder = folder.Parent ?? throw new InvalidOperationException("These tests run from a checkout.");
        return folder.FullName;
    }

    private async Task Refuses(string word, params string[] args)
    {
        var result = await Tool.RunAsync(args);
        Assert.Equal(ExitCode.BadInput, result.ExitCode);
        Assert.Contains(word, result.Error, StringComparison.Ordinal);
        Assert.Empty(result.Output);
        Assert.False(Directory.Exists(_folder["out"]));
        Assert.Equal(Document, await File.ReadAllTextAsync(_folder["doc.md"]));
    }
}
