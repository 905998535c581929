using System.CommandLine;

namespace FilterPruning.Cli.Export;

/// <summary><c>--format onnx</c>: the whole detector as one ONNX graph.</summary>
internal sealed class OnnxExport : IExportFormat
{
    public string Name => "onnx";

    public string Summary => "the whole detector as one ONNX graph";

    public void AddOptions(Command command)
    {
    }

    public ExportResult Run(ExportJob job) => throw new PruningException("The ONNX writer is not there yet.");
}
