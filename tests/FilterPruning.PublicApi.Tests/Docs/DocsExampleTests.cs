using System.Text.RegularExpressions;
using FilterPruning.PublicApi.Tests.Notebooks;

namespace FilterPruning.PublicApi.Tests.Docs;

/// <summary>The C# blocks of the documentation, compiled and run as they stand.</summary>
public partial class DocsExampleTests
{
    [Fact]
    public async Task The_example_of_the_criteria_runs()
    {
        var outputs = await RunAsync("criteria.md");
        var text = (string)Assert.Single(outputs)["text"]!;
        Assert.Contains("mean-activation", text, StringComparison.Ordinal);
        Assert.Contains("conv1", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_examples_of_the_targets_run()
    {
        var outputs = await RunAsync("targets.md");
        var text = (string)Assert.Single(outputs)["text"]!;
        Assert.Contains("of the MACs remain", text, StringComparison.Ordinal);
        Assert.Contains("Ignored by the pattern 'hidden:outputs'", text, StringComparison.Ordinal);
        Assert.Contains("drop by ratio", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_examples_of_the_repairs_run()
    {
        var outputs = await RunAsync("repair.md");
        var text = string.Concat(outputs.Select(output => (string?)output["text"]));
        Assert.Contains("Repaired 2 layers from 4 unlabelled inputs", text, StringComparison.Ordinal);
        Assert.Contains("proved to", text, StringComparison.Ordinal);
        Assert.Contains("2 norms from 16384 positions", text, StringComparison.Ordinal);
    }

    private static async Task<IReadOnlyList<System.Text.Json.Nodes.JsonObject>> RunAsync(string file)
    {
        var page = await File.ReadAllTextAsync(Repository.PathOf("docs", file), TestContext.Current.CancellationToken);
        var runner = new NotebookRunner();
        return await runner.RunAsync(string.Join('\n', Block().Matches(page).Select(block => block.Groups[1].Value)));
    }

    [GeneratedRegex(@"^```csharp\n(.*?)^```", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex Block();
}
