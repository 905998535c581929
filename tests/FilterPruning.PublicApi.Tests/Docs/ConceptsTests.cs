using System.Text;
using System.Text.RegularExpressions;
using FilterPruning.PublicApi.Tests.Notebooks;

namespace FilterPruning.PublicApi.Tests.Docs;

/// <summary>
/// The page <c>docs/concepts.md</c> shows what the library prints. Its C# blocks run as one program; a comment <c>shows EXPRESSION</c> before a block or a quotation says what makes its text.
/// With the environment variable <c>FILTERPRUNING_UPDATE_DOCS</c> set to 1 the texts are written anew.
/// </summary>
public partial class ConceptsTests
{
    private const string UpdateSwitch = "FILTERPRUNING_UPDATE_DOCS";

    private static string Page => Repository.PathOf("docs", "concepts.md");

    [Fact]
    public async Task Every_picture_and_text_of_the_page_is_what_the_library_prints_today()
    {
        var page = await File.ReadAllTextAsync(Page, TestContext.Current.CancellationToken);
        var parts = Parts().Matches(page);
        var runner = new NotebookRunner();
        var printed = new StringBuilder();
        var end = 0;
        for (var at = 0; at < parts.Count;)
        {
            var shows = parts.Skip(at + 1).TakeWhile(part => !part.Groups["code"].Success).ToList();
            var texts = await PrintAsync(runner, parts[at].Groups["code"].Value, shows.Select(part => part.Groups["expression"].Value));
            foreach (var (part, text) in shows.Zip(texts))
            {
                printed.Append(page, end, part.Index - end).Append(Shown(part, text));
                end = part.Index + part.Length;
            }
            at += 1 + shows.Count;
        }
        printed.Append(page, end, page.Length - end);
        if (Environment.GetEnvironmentVariable(UpdateSwitch) == "1") await File.WriteAllTextAsync(Page, printed.ToString(), TestContext.Current.CancellationToken);
        else Assert.Equal(page, printed.ToString());
    }

    [Fact]
    public async Task Every_picture_text_block_and_quotation_says_what_makes_it()
    {
        var page = await File.ReadAllTextAsync(Page, TestContext.Current.CancellationToken);
        var shown = Parts().Matches(page).Where(part => part.Groups["expression"].Success).ToList();
        Assert.Equal(Shows().Count(page), shown.Count);
        Assert.Equal(Pictures().Count(page), shown.Count(part => part.Groups["kind"].Success));
        Assert.Equal(Quotations().Count(page), shown.Count(part => !part.Groups["kind"].Success));
    }

    /// <summary>Runs one code block; gives what each of the expressions is after it.</summary>
    private static async Task<IReadOnlyList<string>> PrintAsync(NotebookRunner runner, string code, IEnumerable<string> expressions)
    {
        var wanted = expressions.ToList();
        var outputs = await runner.RunAsync(code + string.Concat(wanted.Select(expression => $"\ndisplay({expression});")));
        var texts = outputs.Where(output => output["data"] is not null).Select(output => (string)output["data"]!["text/plain"]!).ToList();
        Assert.Equal(wanted.Count, texts.Count);
        return texts;
    }

    private static string Shown(Match part, string text)
    {
        var marker = $"<!-- shows {part.Groups["expression"].Value} -->\n";
        return part.Groups["kind"].Success ? $"{marker}```{part.Groups["kind"].Value}\n{text.TrimEnd('\n')}\n```" : $"{marker}> {text}";
    }

    // A C# block, or a comment with what it announces.
    [GeneratedRegex(@"^```csharp\n(?<code>.*?)^```$|^<!-- shows (?<expression>[^\n]+) -->\n(?:```(?<kind>mermaid|text)\n.*?^```$|> [^\n]*$)", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Parts();

    [GeneratedRegex("^<!-- shows ", RegexOptions.Multiline)]
    private static partial Regex Shows();

    [GeneratedRegex("^```(mermaid|text)$", RegexOptions.Multiline)]
    private static partial Regex Pictures();

    [GeneratedRegex("^> ", RegexOptions.Multiline)]
    private static partial Regex Quotations();
}
