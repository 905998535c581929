using System.Text;

namespace FilterPruning.Cli.Report;

/// <summary>
/// A Markdown file with places for tables: <c>&lt;!-- table: REQUEST --&gt;</c>, whatever stands there now, <c>&lt;!-- /table --&gt;</c>. Everything outside
/// the places stays as it is, byte for byte.
/// </summary>
internal static class MarkedDocument
{
    private const string Open = "<!-- table: ";
    private const string OpenEnd = " -->";
    private const string Close = "<!-- /table -->";

    /// <summary>The text with every place filled by <paramref name="table"/>, which is given what stands in the marker.</summary>
    /// <exception cref="ArgumentException">A marker is not closed, or closed without being open; the message names the line.</exception>
    public static string Fill(string text, Func<string, string> table)
    {
        var result = new StringBuilder();
        string? openedBy = null;
        var openedAt = 0;
        var lines = text.Split('\n');
        for (var index = 0; index < lines.Length; index++)
        {
            var line = lines[index];
            var trimmed = line.Trim();
            if (trimmed.StartsWith(Open, StringComparison.Ordinal) && trimmed.EndsWith(OpenEnd, StringComparison.Ordinal))
            {
                if (openedBy is not null)
                    throw new ArgumentException($"The table opened in line {openedAt} is not closed before line {index + 1}. End it with '{Close}'.");
                (openedBy, openedAt) = (trimmed[Open.Length..^OpenEnd.Length].Trim(), index + 1);
                result.Append(line).Append('\n');
            }
            else if (trimmed == Close)
            {
                if (openedBy is null)
                    throw new ArgumentException($"Line {index + 1} ends a table that was not opened. Begin it with '{Open}NAME{OpenEnd}'.");
                result.Append(Placed(table, openedBy, openedAt)).Append(line).Append(index < lines.Length - 1 ? "\n" : "");
                openedBy = null;
            }
            else if (openedBy is null)
            {
                result.Append(line).Append(index < lines.Length - 1 ? "\n" : "");
            }
        }

        return openedBy is null ? result.ToString() : throw new ArgumentException($"The table opened in line {openedAt} is never closed. End it with '{Close}'.");
    }

    private static string Placed(Func<string, string> table, string request, int line)
    {
        try
        {
            return table(request);
        }
        catch (ArgumentException error)
        {
            throw new ArgumentException($"Line {line}: {error.Message}", error);
        }
    }
}
