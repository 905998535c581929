using System.CommandLine;
using System.Text.Json.Nodes;
using FilterPruning.Cli.Report;

namespace FilterPruning.Cli.Commands;

/// <summary><c>filter-pruning report</c>: tables and curves from the study's results files.</summary>
internal static class ReportCommand
{
    public static Command Create()
    {
        var command = new Command("report", """
            Makes tables and curves from the results files of 'filter-pruning study'.

            A document has places for tables: a line '<!-- table: accuracy dataset=pennfudan scope=local -->', the table, a line '<!-- /table -->'.
            Tables: accuracy, measurements, cost, dense, goals; 'curves' links the pictures. Filters: PART=VALUE,… of the points' key; 'study' adds the study's own row.

            Examples:
              filter-pruning report docs/results/*.jsonl --out docs/results --document docs/results.md
              filter-pruning report docs/results/*.jsonl --out docs/results --document docs/results.md --check
            """);
        var results = new Argument<string[]>("RESULTS") { Description = "Files of JSON lines, or folders with *.jsonl. Of two lines with the same key the later counts.", Arity = ArgumentArity.OneOrMore };
        var output = new Option<string?>("--out") { Description = "Folder for the curves (PNG) and a file with all tables for each data set." };
        var document = new Option<string?>("--document") { Description = "A Markdown file whose marked tables are filled." };
        var check = new Option<bool>("--check") { Description = "Write nothing; exit with 1 when a table is out of date." };
        var json = new Option<bool>("--json") { Description = "Print one JSON object." };
        command.Arguments.Add(results);
        foreach (var option in new Option[] { output, document, check, json })
            command.Options.Add(option);
        command.SetAction(parsed => CommandLine.Guard(() =>
        {
            if (parsed.GetValue(output) is null && parsed.GetValue(document) is null)
                throw new ArgumentException("Nothing to write: give --out FOLDER, --document FILE, or both.");
            var job = new ReportJob(ReportJob.Files(parsed.GetValue(results)!), parsed.GetValue(output), parsed.GetValue(document));
            return parsed.GetValue(check) ? Check(job, parsed.GetValue(json)) : Write(job, parsed.GetValue(json));
        }));
        return command;
    }

    private static int Write(ReportJob job, bool json)
    {
        var written = job.Write();
        Tell(job);
        if (json)
            Output.Json(Describe(job, "written", written));
        else
            Output.Line($"{job.Results.Points.Count} points; written: {string.Join(", ", written)}");
        return ExitCode.Done;
    }

    private static int Check(ReportJob job, bool json)
    {
        var outdated = job.OutOfDate();
        Tell(job);
        if (json)
            Output.Json(Describe(job, "outOfDate", outdated));
        else
            Output.Line(outdated.Count == 0 ? $"{job.Results.Points.Count} points; up to date." : $"Out of date: {string.Join(", ", outdated)}. Run the same command without --check.");
        return outdated.Count == 0 ? ExitCode.Done : ExitCode.Failed;
    }

    private static void Tell(ReportJob job)
    {
        foreach (var note in job.Results.Notes)
            Output.Note($"note: {note}");
    }

    private static JsonObject Describe(ReportJob job, string name, IReadOnlyList<string> paths) => new()
    {
        ["points"] = job.Results.Points.Count,
        ["notes"] = new JsonArray([.. job.Results.Notes.Select(note => (JsonNode)note)]),
        [name] = new JsonArray([.. paths.Select(path => (JsonNode)path)]),
    };
}
