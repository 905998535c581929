using System.CommandLine;
using System.Text.Json.Nodes;
using FilterPruning.Detection.Torchvision;

namespace FilterPruning.Cli.Export;

/// <summary><c>--format torchvision</c>: a folder for Python.</summary>
internal sealed class TorchvisionExport : IExportFormat
{
    public string Name => "torchvision";

    public string Summary => "a folder for Python: weights with torchvision's keys, widths, and a script that builds and runs the detector";

    public void AddOptions(Command command)
    {
    }

    public ExportResult Run(ExportJob job)
    {
        var paths = TorchvisionExporter.Export(job.Model, job.Description, job.Path);
        var parameters = job.Model.parameters().Sum(parameter => parameter.numel());
        var files = new JsonArray([.. paths.Select(path => (JsonNode)new JsonObject { ["file"] = path, ["bytes"] = new FileInfo(path).Length })]);
        var json = new JsonObject { ["format"] = Name, ["folder"] = job.Path, ["parameters"] = parameters, ["classes"] = job.Description.ClassNames.Count, ["files"] = files };
        var script = Path.Combine(job.Path, TorchvisionExporter.ScriptFile);
        return new ExportResult(json, [.. paths.Select(path => $"Saved {path} ({new FileInfo(path).Length / 1e6:0.0} MB)."), $"Run it with: python3 {script} IMAGE"]);
    }
}
