using System.CommandLine;
using System.Text.Json.Nodes;
using FilterPruning.Detection.Data;
using FilterPruning.Detection.Models;
using FilterPruning.Detection.Onnx;

namespace FilterPruning.Cli.Export;

/// <summary><c>--format onnx</c>: the whole detector as one ONNX graph, run in ONNX Runtime before it is kept.</summary>
/// <param name="compare">Runs detector and graph on images; another one only in tests.</param>
internal sealed class OnnxExport(OnnxExport.Comparer? compare = null) : IExportFormat
{
    private readonly Comparer _compare = compare ?? OnnxVerifier.Compare;

    private readonly Option<int> _opset = new("--opset")
    {
        Description = $"onnx: the operator set, {OnnxExportOptions.MinOpset} to {OnnxExportOptions.MaxOpset} (default {OnnxExportOptions.MinOpset}).",
        DefaultValueFactory = _ => OnnxExportOptions.MinOpset,
        HelpName = "N",
    };

    private readonly Option<bool> _separate = new("--separate") { Description = "onnx: two files, NAME.backbone.onnx and NAME.heads.onnx." };
    private readonly Option<bool> _half = new("--half") { Description = "onnx: store weights as float16; they are computed with in float32." };
    private readonly Option<bool> _external = new("--external-data") { Description = "onnx: keep the weights in a second file, NAME.onnx.data." };
    private readonly Option<bool> _boxMasks = new("--box-masks") { Description = "onnx: leave masks as 28 × 28 values in their boxes instead of pasting them into the image." };

    private readonly Option<bool> _verify = new("--verify")
    {
        Description = "onnx: compare ONNX Runtime's answers with the detector's, and keep no file where they differ (default true).",
        DefaultValueFactory = _ => true,
        HelpName = "true|false",
    };

    private readonly Option<string[]> _image = new("--image")
    {
        Description = "onnx: compare and time on these pictures; made-up ones otherwise.",
        DefaultValueFactory = _ => [],
        AllowMultipleArgumentsPerToken = true,
        HelpName = "FILE",
    };

    private readonly Option<int> _time = new("--time") { Description = "onnx: time ONNX Runtime in this many rounds.", HelpName = "ROUNDS" };
    private readonly Option<string?> _against = new("--against") { Description = "onnx: time this exported detector turn by turn with the new one.", HelpName = "FILE" };
    private readonly Option<int> _threads = new("--threads") { Description = "onnx: ONNX Runtime's threads (default: its choice).", HelpName = "N" };

    /// <summary>How detector and graph are compared.</summary>
    internal delegate DetectionComparison Comparer(MaskRcnnModel model, OnnxRunner runner, IReadOnlyList<Tensor> images, CancellationToken cancellation);

    public string Name => "onnx";

    public string Summary => "the whole detector as one ONNX graph";

    public void AddOptions(Command command)
    {
        foreach (var option in new Option[] { _opset, _separate, _half, _external, _boxMasks, _verify, _image, _time, _against, _threads })
            command.Options.Add(option);
    }

    public ExportResult Run(ExportJob job)
    {
        Check(job);
        using var scope = NewDisposeScope();
        var images = job.Parsed.GetValue(_image) is { Length: > 0 } files ? [.. files.Select(ImageFile.Load)] : OnnxVerifier.MadeUpImages(job.Model.Options.MinSize);
        var options = new OnnxExportOptions
        {
            Opset = job.Parsed.GetValue(_opset),
            Parts = job.Parsed.GetValue(_separate) ? OnnxParts.Separate : OnnxParts.Whole,
            HalfPrecisionWeights = job.Parsed.GetValue(_half),
            ExternalData = job.Parsed.GetValue(_external),
            PasteMasks = !job.Parsed.GetValue(_boxMasks),
            Description = job.Description,
        };
        var json = new JsonObject { ["format"] = Name };
        var lines = new List<string>();
        try
        {
            var report = OnnxExporter.Export(job.Model, job.Path, options, job.Parsed.GetValue(_verify) ? staged => Verify(job, options, staged, images, json, lines) : null);
            Report(report, json, lines);
            if (job.Parsed.GetValue(_time) > 0)
                Time(job, report, images, json, lines);
            return new ExportResult(json, lines);
        }
        catch (UnequalException error)
        {
            return new ExportResult(json, lines, error.Message);
        }
    }

    private void Check(ExportJob job)
    {
        foreach (var file in job.Parsed.GetValue(_image)!.Append(job.Parsed.GetValue(_against)))
        {
            if (file is not null && !File.Exists(file))
                throw new ArgumentException($"There is no file '{file}'. Give --image and --against files that exist.");
        }

        if (job.Parsed.GetValue(_time) < 0)
            throw new ArgumentException($"--time is {job.Parsed.GetValue(_time)}; give a number of rounds, at least 1.");
        if (job.Parsed.GetValue(_threads) < 0)
            throw new ArgumentException($"--threads is {job.Parsed.GetValue(_threads)}; give at least 1, or leave it out.");
        if (job.Parsed.GetValue(_against) is not null && job.Parsed.GetValue(_time) == 0)
            throw new ArgumentException("--against says what to time against, but nothing is timed. Add --time ROUNDS.");
    }

    private void Verify(ExportJob job, OnnxExportOptions options, OnnxExportReport staged, IReadOnlyList<Tensor> images, JsonObject json, List<string> lines)
    {
        using var runner = Open(staged, job);
        if (options.HalfPrecisionWeights)
        {
            var rounding = _compare(job.Model, runner, images, job.Cancellation);
            json["rounding"] = ToJson(rounding, images.Count);
            lines.Add($"Rounding the weights to float16: {rounding}.");
            OnnxVerifier.RoundWeights(job.Model);
        }

        var comparison = _compare(job.Model, runner, images, job.Cancellation);
        json["verify"] = ToJson(comparison, images.Count);
        lines.Add($"ONNX Runtime on {images.Count} image(s): {comparison}.");
        if (!comparison.IsWithinTolerance)
        {
            throw new UnequalException(
                $"ONNX Runtime's answers differ from the detector's by more than {DetectionComparison.BoxTolerance} px, {DetectionComparison.ScoreTolerance} in scores or a mask IoU of {DetectionComparison.LeastMaskIou}: {comparison}. "
                + "No file was written. A detection next to a threshold may differ by rounding: try another --image; --verify false keeps the file all the same.");
        }
    }

    private static void Report(OnnxExportReport report, JsonObject json, List<string> lines)
    {
        var files = new JsonArray();
        foreach (var model in report.Models)
        {
            var file = new JsonObject { ["path"] = model.Path, ["bytes"] = model.Bytes, ["nodes"] = model.Nodes };
            if (model.DataPath is not null)
                (file["data"], file["dataBytes"]) = (model.DataPath, model.DataBytes);
            files.Add(file);
            lines.Add($"Wrote '{model.Path}', {(model.Bytes + model.DataBytes) / 1e6:0.0} MB, {model.Nodes} operations{(model.DataPath is null ? "" : $", weights in '{model.DataPath}'")}.");
        }

        json["files"] = files;
    }

    private void Time(ExportJob job, OnnxExportReport report, IReadOnlyList<Tensor> images, JsonObject json, List<string> lines)
    {
        var rounds = job.Parsed.GetValue(_time);
        using var runner = Open(report, job);
        using var other = job.Parsed.GetValue(_against) is { } against ? new OnnxRunner([against], job.Parsed.GetValue(_threads)) : null;
        var times = OnnxTimer.Times(other is null ? [runner] : [runner, other], images, rounds, job.Cancellation);
        var timed = new JsonObject { ["rounds"] = rounds, ["images"] = images.Count, ["milliseconds"] = OnnxTimer.ToJson(times[0]) };
        lines.Add($"ONNX Runtime takes {(double)timed["milliseconds"]!["median"]!:0.0} ms an image (median of {rounds} rounds).");
        if (other is not null)
        {
            timed["against"] = OnnxTimer.ToJson(times[1]);
            timed["speedUp"] = OnnxTimer.Ratio(times[1], times[0]);
            lines.Add($"'{job.Parsed.GetValue(_against)}' takes {(double)timed["against"]!["median"]!:0.0} ms: the new one is {(double)timed["speedUp"]!:0.00} times as fast.");
        }

        if (job.Plan is { } plan)
        {
            timed["macsRatio"] = (double)plan.Before.Macs / plan.Predicted.Macs;
            lines.Add($"By the recipe, {(double)timed["macsRatio"]!:0.00} times fewer multiply-accumulates than the dense detector.");
        }

        json["time"] = timed;
    }

    private OnnxRunner Open(OnnxExportReport report, ExportJob job) => new([.. report.Models.Select(model => model.Path)], job.Parsed.GetValue(_threads));

    private static JsonObject ToJson(DetectionComparison comparison, int images) => new()
    {
        ["images"] = images,
        ["expected"] = comparison.Expected,
        ["found"] = comparison.Found,
        ["matched"] = comparison.Matched,
        ["boxPixels"] = comparison.BoxPixels,
        ["score"] = comparison.Score,
        ["maskIou"] = comparison.MaskIou,
    };

    /// <summary>Ends an export whose answers differ.</summary>
    private sealed class UnequalException(string message) : PruningException(message);
}
