namespace FilterPruning.Storage;

/// <summary>What a tensor in a file looks like, known without reading its numbers.</summary>
/// <param name="DType">Its element type in the file.</param>
/// <param name="Shape">Its shape; empty for a scalar.</param>
public sealed record TensorInfo(ScalarType DType, IReadOnlyList<long> Shape)
{
    /// <summary>The element type and shape, such as <c>Float32[64, 3, 7, 7]</c>.</summary>
    public override string ToString() => $"{DType}[{string.Join(", ", Shape)}]";
}
