using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using FilterPruning.PublicApi.Tests.Notebooks;

namespace FilterPruning.PublicApi.Tests;

/// <summary>The code blocks of a document, run one after another as one program.</summary>
public partial class DocumentTests
{
    [Theory]
    [InlineData("training.md", "the same answers")]
    [InlineData("python.md", "13 inputs remain")]
    [InlineData("selection.md", "half of the work remains")]
    [InlineData("custom-layers.md", "the model is as it was")]
    [InlineData("security.md", "pictures of at most 24000000 pixels, models of at most 5000 tensors")]
    [InlineData("fine-tuning.md", "Completed after 2 steps, 0.5 of the MACs")]
    public async Task The_code_of_a_document_runs(string name, string lastLine)
    {
        var text = await File.ReadAllTextAsync(Repository.PathOf("docs", name), TestContext.Current.CancellationToken);
        var runner = new NotebookRunner();
        var printed = "";
        var blocks = CodeBlocks().Matches(text);
        Assert.NotEmpty(blocks);
        foreach (Match block in blocks)
        {
            foreach (JsonObject output in await runner.RunAsync(block.Groups[1].Value))
                printed += (string?)output["text"];
        }

        Assert.Equal(lastLine, printed.TrimEnd('\n').Split('\n')[^1]);
    }

    [GeneratedRegex("^```csharp\\n(.*?)^```$", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex CodeBlocks();
}
