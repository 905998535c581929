namespace FilterPruning.Storage;

/// <summary>One tensor's line in the header of a safetensors file.</summary>
/// <param name="DType">Its element type.</param>
/// <param name="Shape">Its shape; empty for a scalar.</param>
/// <param name="Begin">Its first byte, counted from the end of the header.</param>
/// <param name="End">One past its last byte, counted from the end of the header.</param>
public sealed record SafetensorsEntry(ScalarType DType, IReadOnlyList<long> Shape, long Begin, long End)
{
    /// <summary>The number of bytes of its data.</summary>
    public long ByteCount => End - Begin;

    /// <summary>The element type and shape, such as <c>Float32[64, 3, 7, 7]</c>.</summary>
    public override string ToString() => $"{DType}[{string.Join(", ", Shape)}]";
}
