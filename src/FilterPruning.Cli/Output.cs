using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Spectre.Console;

namespace FilterPruning.Cli;

/// <summary>
/// Where a command's words go: results to standard output, as a table or as one JSON object and nothing else; progress and messages to
/// standard error.
/// </summary>
internal static class Output
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static readonly IAnsiConsole Side = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });

    /// <summary>Prints one JSON object.</summary>
    public static void Json(JsonNode json) => Console.Out.WriteLine(json.ToJsonString(Indented));

    /// <summary>Prints a table.</summary>
    public static void Table(Table table) => AnsiConsole.Console.Write(table);

    /// <summary>Prints a line of the result.</summary>
    public static void Line(string text = "") => Console.Out.WriteLine(text);

    /// <summary>Says something that is not part of the result.</summary>
    public static void Note(string text) => Console.Error.WriteLine(text);

    /// <summary>Says what went wrong.</summary>
    public static void Error(string text) => Console.Error.WriteLine($"error: {text}");

    /// <summary>A table in the tool's style.</summary>
    public static Table NewTable(params string[] columns)
    {
        var table = new Table().Border(TableBorder.Rounded);
        foreach (var (column, index) in columns.Select((column, index) => (column, index)))
            table.AddColumn(new TableColumn(Markup.Escape(column)) { Alignment = index == 0 ? Justify.Left : Justify.Right });
        return table;
    }

    /// <summary>Adds a row of plain text.</summary>
    public static Table Row(this Table table, params string[] cells) => table.AddRow([.. cells.Select(Markup.Escape)]);

    /// <summary>
    /// Shows a progress bar on standard error while work runs. The work is told how to report: a share from 0 to 1 and what it is about.
    /// </summary>
    public static T WithProgress<T>(string title, Func<Action<double, string>, T> work)
    {
        // Not a terminal (a log, a pipe): one line at the start is enough.
        if (Console.IsErrorRedirected)
        {
            Note(title + " ...");
            return work(static (_, _) => { });
        }

        return Side.Progress().AutoClear(true)
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn())
            .Start(context =>
            {
                var task = context.AddTask(Markup.Escape(title), maxValue: 1);
                return work((share, about) =>
                {
                    task.Value = share;
                    task.Description = Markup.Escape(about.Length == 0 ? title : $"{title}: {about}");
                });
            });
    }
}
