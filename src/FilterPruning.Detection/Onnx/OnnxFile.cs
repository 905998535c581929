using System.Globalization;
using FilterPruning.Detection.Onnx.Schema;
using FilterPruning.Storage;
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
    /// <exception cref="PruningException">A model is too large for one file, or a file cannot be written; what was at the paths stays.</exception>
    public static OnnxExportReport Write(IReadOnlyList<(string Path, ModelProto Model, GraphBuilder Graph)> models, OnnxExportOptions options)
    {
        foreach (var (path, _, graph) in models)
            CheckSize(path, graph, options);
        using var files = new FileSet();
        var written = new List<OnnxModelFile>();
        foreach (var (path, model, graph) in models)
        {
            var data = options.ExternalData ? path + ".data" : null;
            long dataBytes = 0;
            if (data is not null)
                files.Write(data, stream => dataBytes = WriteData(stream, Path.GetFileName(data), graph));
            foreach (var constant in graph.Constants)
            {
                if (data is null || !IsExternal(constant))
                    constant.Tensor.RawData = UnsafeByteOperations.UnsafeWrap(constant.Data);
                model.Graph.Initializer.Add(constant.Tensor);
            }

            long bytes = 0;
            files.Write(path, stream =>
            {
                model.WriteTo(stream);
                bytes = stream.Length;
            });
            written.Add(new OnnxModelFile(path, bytes, data, dataBytes, model.Graph.Node.Count));
        }

        files.Commit();
        return new OnnxExportReport { Models = written };
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

    /// <summary>Files that appear together or not at all: written beside their targets, renamed at the end; a rename that fails puts back what was there.</summary>
    private sealed class FileSet : IDisposable
    {
        private readonly List<string> _targets = [];

        public void Write(string path, Action<Stream> write)
        {
            try
            {
                _targets.Add(path);
                using var stream = new FileStream(Partial(path), FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 1 << 16);
                write(stream);
                stream.Flush(flushToDisk: true);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                throw Failed(path, error);
            }
        }

        public void Commit()
        {
            var done = new List<string>();
            try
            {
                foreach (var path in _targets)
                {
                    if (File.Exists(path))
                        File.Move(path, Former(path), overwrite: true);
                    done.Add(path);
                    File.Move(Partial(path), path);
                }
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                foreach (var path in done)
                {
                    File.Delete(path);
                    if (File.Exists(Former(path)))
                        File.Move(Former(path), path);
                }

                throw Failed(_targets[Math.Min(done.Count, _targets.Count - 1)], error);
            }
        }

        public void Dispose()
        {
            foreach (var path in _targets)
            {
                Delete(Partial(path));
                Delete(Former(path));
            }
        }

        private static void Delete(string path)
        {
            if (File.Exists(path))
                File.Delete(path);
        }

        // The process number keeps two writers of one target apart.
        private static string Partial(string path) => $"{path}.{Environment.ProcessId}.partial";

        private static string Former(string path) => $"{path}.{Environment.ProcessId}.former";

        private static ModelFileException Failed(string path, Exception error) => new(
            ModelFileErrorKind.WriteFailed, path, $"cannot write: {error.Message} Give a path in a folder that exists and can be written; what was there before is unchanged.", error);
    }
}
