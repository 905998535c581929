namespace FilterPruning.Detection.Onnx;

/// <summary>What an export wrote.</summary>
public sealed record OnnxExportReport
{
    /// <summary>The model files in the order in which they run: one, or the backbone and the heads.</summary>
    public required IReadOnlyList<OnnxModelFile> Models { get; init; }

    /// <summary>The size of all files, bytes.</summary>
    public long Bytes => Models.Sum(model => model.Bytes + model.DataBytes);
}

/// <summary>One ONNX model on the disk.</summary>
/// <param name="Path">The file.</param>
/// <param name="Bytes">Its size.</param>
/// <param name="DataPath">The file with its weights, or null when they are inside.</param>
/// <param name="DataBytes">That file's size, or 0.</param>
/// <param name="Nodes">The number of operations.</param>
public sealed record OnnxModelFile(string Path, long Bytes, string? DataPath, long DataBytes, int Nodes);
