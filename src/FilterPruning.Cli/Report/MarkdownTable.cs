using System.Text;

namespace FilterPruning.Cli.Report;

/// <summary>A table in Markdown, as GitHub draws it.</summary>
internal sealed class MarkdownTable(params string[] headers)
{
    private readonly List<string[]> _rows = [];

    public int Rows => _rows.Count;

    /// <exception cref="ArgumentException">The row has not one cell for each header.</exception>
    public void Add(params IReadOnlyList<string> cells)
    {
        if (cells.Count != headers.Length)
            throw new ArgumentException($"The row has {cells.Count} cells; the table has {headers.Length} columns.", nameof(cells));
        _rows.Add([.. cells]);
    }

    public override string ToString()
    {
        var text = new StringBuilder();
        Line(text, headers.Select(Escaped));
        Line(text, headers.Select(_ => "---"));
        foreach (var row in _rows)
            Line(text, row.Select(Escaped));
        return text.ToString();
    }

    private static void Line(StringBuilder text, IEnumerable<string> cells) => text.Append("| ").AppendJoin(" | ", cells).Append(" |\n");

    private static string Escaped(string cell) => cell.Replace("|", "\\|", StringComparison.Ordinal).Replace('\n', ' ');
}
