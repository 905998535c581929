using System.CommandLine;
using System.Globalization;
using FilterPruning.Cli.Study;

namespace FilterPruning.Cli.Commands;

/// <summary><c>filter-pruning study-readings</c>: which reading of "40 % of the filters" gives a compression of 1.25.</summary>
internal static class ReadingsCommand
{
    private const int TraceSize = 320;

    public static Command Create()
    {
        var command = new Command("study-readings", """
            Counts what "a share of the filters, ranked by L1" removes under each reading: which layers count, ranked how, with which floor; and what single kernels would give.
            Without weights only local rankings are counted, which need none. Prints Markdown.

            Examples:
              filter-pruning study-readings --model maskrcnn_resnet50_fpn --classes 91
              filter-pruning study-readings --weights dense.safetensors --kernels
              filter-pruning study-readings --weights dense.safetensors --data data/PennFudanPed --images 25 --measure inner/global-raw/0.1 --measure inner/local/0
            """);
        var model = new ModelSource(command, weightsNeeded: false, defaultSize: TraceSize);
        var ratio = new Option<double>("--ratio") { Description = "The share of the filters.", HelpName = "R", DefaultValueFactory = _ => 0.4 };
        var target = new Option<double>("--compression") { Description = "The compression to compare with.", HelpName = "X", DefaultValueFactory = _ => 1.25 };
        var kernels = new Option<bool>("--kernels") { Description = "Rank single kernels as well." };
        var data = new Option<string?>("--data") { Description = "Measure on these images: a data set as in 'eval'.", HelpName = "DIR|shapescenes" };
        var images = new Option<int?>("--images") { Description = "Use only the first N images.", HelpName = "N" };
        var seed = new Option<int>("--seed") { Description = "Seed of the data set's split, or of the scenes.", HelpName = "N", DefaultValueFactory = _ => 0 };
        var measure = new Option<string[]>("--measure") { Description = "Cut by this reading and measure: SCOPE/RANKING/FLOOR with the rankings local, global-raw, global-mean; 'dense' for none; may be given several times.", HelpName = "READING", DefaultValueFactory = _ => [] };
        var json = new Option<bool>("--json") { Description = "Print one JSON object." };
        foreach (var option in new Option[] { ratio, target, kernels, data, images, seed, measure, json })
            command.Options.Add(option);
        command.Runs((parsed, cancellation) =>
        {
            if (parsed.GetValue(target) is not > 1)
                throw new ArgumentException($"--compression is {parsed.GetValue(target)}; it must be above 1.");
            var readings = parsed.GetValue(measure)!.Select(Parse).ToList();
            var (detector, description) = model.Load(parsed);
            using var owned = detector;
            var graph = Output.WithProgress($"Tracing {description.Model}", _ => DetectorTrace.Run(detector, Math.Min(TraceSize, model.SizeOf(parsed, description))));
            var report = new ReadingsReport(detector, graph, parsed.GetValue(ratio), parsed.GetValue(target));
            if (parsed.GetValue(data) is { } name)
            {
                var split = description.Split is { } known && DataFolders.IsOf(name, known) ? known : null;
                report.Measure(readings, parsed.GetValue(kernels), DataFolders.Open(name, DataPart.Test, parsed.GetValue(images), parsed.GetValue(seed), detector.NumClasses, split), cancellation);
            }
            else if (readings.Count > 0)
            {
                throw new ArgumentException("--measure needs images. Give --data DIR.");
            }
            else
            {
                report.Count(global: model.HasWeights(parsed), kernels: parsed.GetValue(kernels), cancellation);
            }

            if (parsed.GetValue(json))
                Output.Json(report.ToJson());
            else
                Output.Line(report.ToMarkdown());
            return ExitCode.Done;
        });
        return command;
    }

    /// <summary>Reads SCOPE/RANKING/FLOOR; null for <c>dense</c>.</summary>
    /// <exception cref="ArgumentException">The text is none of these.</exception>
    internal static Reading? Parse(string text)
    {
        if (text == "dense")
            return null;
        var parts = text.Split('/');
        ReadingRanking? ranking = parts.Length == 3 ? parts[1] switch
        {
            "local" => ReadingRanking.Local,
            "global-raw" => ReadingRanking.GlobalRaw,
            "global-mean" => ReadingRanking.GlobalMean,
            _ => null,
        } : null;
        return ranking is { } known && double.TryParse(parts[2], NumberStyles.Float, CultureInfo.InvariantCulture, out var floor) && floor is >= 0 and < 1
            ? new Reading(parts[0], known, floor)
            : throw new ArgumentException($"--measure is '{text}'; allowed are 'dense' and SCOPE/RANKING/FLOOR with the rankings local, global-raw, global-mean and a floor from 0 up to 1, for instance inner/global-raw/0.1.");
    }
}
