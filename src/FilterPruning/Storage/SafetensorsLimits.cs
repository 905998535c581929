namespace FilterPruning.Storage;

/// <summary>
/// What <see cref="SafetensorsFile"/> takes at most from a file's header. The defaults leave room for the largest published checkpoints; a file beyond them is refused with both numbers.
/// Tensors need no limit of their own: together they must have exactly the bytes that follow the header.
/// </summary>
public sealed record SafetensorsLimits
{
    /// <summary>Bytes of the header. Default, and the most there may be by the format's own rule: 100,000,000.</summary>
    public long HeaderBytes { get; init; } = SafetensorsHeader.MaximumLength;

    /// <summary>Tensors of the file. Default 200,000.</summary>
    public int Tensors { get; init; } = 200_000;

    /// <summary>Strings stored beside them. Default 10,000.</summary>
    public int MetadataEntries { get; init; } = 10_000;

    /// <summary>Characters of a tensor's name or of a key of the metadata. Default 4,096.</summary>
    public int NameLength { get; init; } = 4_096;
}
