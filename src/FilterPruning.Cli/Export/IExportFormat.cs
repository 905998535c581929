using System.CommandLine;

namespace FilterPruning.Cli.Export;

/// <summary>A form that <c>filter-pruning export</c> writes. A new one is a class that implements this and a line in <see cref="Commands.ExportCommand"/>.</summary>
internal interface IExportFormat
{
    /// <summary>What <c>--format</c> calls it, for instance <c>onnx</c>.</summary>
    string Name { get; }

    /// <summary>A phrase for the help: what is written.</summary>
    string Summary { get; }

    /// <summary>Adds the options that only this format has to the command; called once.</summary>
    void AddOptions(Command command);

    /// <summary>Writes the files of one export, all or nothing.</summary>
    ExportResult Run(ExportJob job);
}
