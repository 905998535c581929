namespace FilterPruning.Storage;

/// <summary>What <see cref="PthFile"/> takes at most from a file. The defaults leave room for the largest published checkpoints; a file beyond them is refused with both numbers.</summary>
public sealed record PthLimits
{
    /// <summary>Entries of the archive, about one per tensor. Default 100,000.</summary>
    public int Entries { get; init; } = 100_000;

    /// <summary>Bytes of <c>data.pkl</c>. Default 64 MiB.</summary>
    public long PickleBytes { get; init; } = 64L << 20;

    /// <summary>Operations of the pickle, about forty per tensor, and values that they copy (the sizes and strides of tensors among them). Default 10,000,000 of each.</summary>
    public int Operations { get; init; } = 10_000_000;

    /// <summary>Remembered objects of the pickle, about ten per tensor. Default 4,000,000.</summary>
    public int MemoEntries { get; init; } = 4_000_000;

    /// <summary>Levels of dictionaries and lists inside each other. Default 64.</summary>
    public int Nesting { get; init; } = 64;

    /// <summary>Values met when the tree is walked for tensors. A shared list counts each time it is met, so that ten lists of ten references each are not ten thousand million tensors. Default 2,000,000.</summary>
    public int Values { get; init; } = 2_000_000;

    /// <summary>Characters of a tensor's name: the keys on the way to it joined by dots. Default 4,096.</summary>
    public int NameLength { get; init; } = 4_096;

    /// <summary>Characters of the names of all tensors together. One long key is in the name of every tensor below it. Default 100,000,000.</summary>
    public long NameCharacters { get; init; } = 100_000_000;
}
