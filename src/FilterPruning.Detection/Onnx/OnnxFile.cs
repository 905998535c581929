using System.Globalization;
using FilterPruning.Detection.Onnx.Schema;
using Google.Protobuf;

namespace FilterPruning.Detection.Onnx;

/// <summary>Writes graphs with their constants to files, all or nothing.</summary>
internal static class OnnxFile
{
    // What is smaller stays in the model file: the runtime reads shapes and the like while it checks the graph.
    private const int SmallestExternal = 1024;

    // Runtimes that map the file into memory want pages.
    private const int Alignment = 4096;

    // What the descriptions of nodes and constants take beside the constants' values, far more than they do.
    private const long Overhead = 1 << 20;

    /// <summary>Writes the models of one export.</summary>
    /// <param name="models">Where each goes, and what it is.</param>
    /// <param name="options">How.</param>
    /// <param name="check">Sees the complete files, under their names in a folder of their own, before they take their places; what it throws ends the export.</param>
    /// <exception cref="PruningException">A model is too large for one file, or a file cannot be written; what was at the paths stays.</exception>
    public static OnnxExportReport Write(IReadOnlyList<(string Path, ModelProto Model, GraphBuilder Graph)> models, OnnxExportOptions options, Action<OnnxExportReport>? check)
    {
        foreach (var (path, _, graph) in models)
            CheckSize(path, graph, options);
        using var files = new StagedFiles(models[0].Path);
        OnnxModelFile[] written = [.. models.Select(model => Write(files, model.Path, model.Model, model.Graph, options))];
        check?.Invoke(new OnnxExportReport { Models = [.. written.Select(file => file with { Path = files.Staged(file.Path), DataPath = file.DataPath is null ? null : files.Staged(file.DataPath) })] });
        files.Commit();
        return new OnnxExportReport { Models = written };
    }

    private static OnnxModelFile Write(StagedFiles files, string path, ModelProto model, GraphBuilder graph, OnnxExportOptions options)
    {
        var data = options.ExternalData ? path + ".data" : null;
        long dataBytes = 0, bytes = 0;
        if (data is not null)
            files.Write(data, stream => dataBytes = WriteData(stream, Path.GetFileName(data), graph));
        foreach (var constant in graph.Constants)
        {
            if (data is null || !IsExternal(constant))
                constant.Tensor.RawData = UnsafeByteOperations.UnsafeWrap(constant.Data);
            model.Graph.Initializer.Add(constant.Tensor);
        }

        files.Write(path, stream =>
        {
            model.WriteTo(stream);
            bytes = stream.Position;
        });
        return new OnnxModelFile(path, bytes, data, dataBytes, model.Graph.Node.Count);
    }

    private static void CheckSize(string path, GraphBuilder graph, OnnxExportOptions options)
    {
        var bytes = graph.Constants.Where(constant => !options.ExternalData || !IsExternal(constant)).Sum(constant => (long)constant.Data.Length) + Overhead;
        if (bytes > options.MaxFileBytes)
        {
            throw new PruningException(string.Create(
                CultureInfo.InvariantCulture,
                $"'{path}' would have {bytes:N0} bytes; an ONNX file holds at most {options.MaxFileBytes:N0}. Keep the weights in a second file ({nameof(OnnxExportOptions.ExternalData)}, on the command line --external-data)."));
        }
    }

    private static bool IsExternal(Constant constant) => constant.Data.Length >= SmallestExternal;

    private static long WriteData(Stream stream, string name, GraphBuilder graph)
    {
        foreach (var (tensor, data) in graph.Constants.Where(IsExternal))
        {
            while (stream.Position % Alignment != 0)
                stream.WriteByte(0);
            tensor.DataLocation = TensorProto.Types.DataLocation.External;
            tensor.ExternalData.Add(new StringStringEntryProto { Key = "location", Value = name });
            tensor.ExternalData.Add(new StringStringEntryProto { Key = "offset", Value = stream.Position.ToString(CultureInfo.InvariantCulture) });
            tensor.ExternalData.Add(new StringStringEntryProto { Key = "length", Value = data.Length.ToString(CultureInfo.InvariantCulture) });
            stream.Write(data);
        }

        return stream.Position;
    }
}
