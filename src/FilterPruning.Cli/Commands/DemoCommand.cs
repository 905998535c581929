using System.CommandLine;
using FilterPruning.Cli.Demo;
using FilterPruning.Storage;

namespace FilterPruning.Cli.Commands;

/// <summary><c>filter-pruning demo</c>: the whole story on the shipped checkpoint.</summary>
internal static class DemoCommand
{
    public static Command Create()
    {
        var command = new Command("demo", """
            Prunes the shipped Mask R-CNN by 40 %, raw, repaired from a few unlabelled scenes, and with channels and widths chosen for the repair, and writes a
            report: accuracy, size, work and latency before and after, pictures, the pruned model and its plan.

            Example:
              filter-pruning demo --out out/demo
            """);
        var output = new Option<string>("--out") { Description = "Where the report goes.", DefaultValueFactory = _ => Path.Combine("out", "demo"), HelpName = "DIR" };
        var ratio = new Option<double>("--ratio") { Description = "Share of the filters to remove.", DefaultValueFactory = _ => 0.4, HelpName = "R" };
        var images = new Option<int>("--images") { Description = "Scenes to evaluate on.", DefaultValueFactory = _ => 100, HelpName = "N" };
        var json = new Option<bool>("--json") { Description = "Print one JSON object." };
        command.Options.Add(output);
        command.Options.Add(ratio);
        command.Options.Add(images);
        command.Options.Add(json);
        command.Runs((parsed, cancellation) =>
        {
            if (parsed.GetValue(images) < 8)
                throw new ArgumentException($"--images is {parsed.GetValue(images)}; give at least 8.");
            var folder = parsed.GetValue(output)!;
            OutputFile.Check(Path.Combine(folder, "index.html"), makeFolder: true);
            var result = DemoRun.Run(SampleCheckpoint.Find(), folder, parsed.GetValue(ratio), parsed.GetValue(images), cancellation);
            var page = Path.Combine(folder, "index.html");
            AtomicFile.WriteText(page, HtmlReport.Write(result));
            if (parsed.GetValue(json))
                Output.Json(result.ToJson());
            else
                Print(result, page);
            return result.LoadsIdentically ? ExitCode.Done : ExitCode.Failed;
        });
        return command;
    }

    private static void Print(DemoResult result, string page)
    {
        var table = Output.NewTable(["", .. result.Models.Select(model => model.Title)]);
        foreach (var row in result.Rows())
            table.Row([row.Title, .. row.Cells]);
        Output.Table(table);
        Output.Line($"Proof: the pruned model differs from its masked self by at most {result.Chosen.ProofError:0.0e+0} (relative).");
        Output.Line(result.LoadsIdentically ? "Saved, loaded into a fresh model, and its detections are identical." : "The loaded model's detections differ from the saved one's!");
        Output.Line($"Open {Path.GetFullPath(page)} in a browser.");
    }
}
