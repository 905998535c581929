namespace FilterPruning.Fuzz.Engine;

/// <summary>An input that a reader does not stand.</summary>
/// <param name="Reader">The reader.</param>
/// <param name="What">What it did, in words.</param>
/// <param name="Input">The input.</param>
internal sealed record Finding(string Reader, string What, byte[] Input);

/// <summary>What a run came to.</summary>
internal sealed record FuzzResult
{
    public required string Reader { get; init; }

    /// <summary>Inputs that were given to the reader, seeds among them.</summary>
    public required long Inputs { get; init; }

    /// <summary>Of these, the ones it read.</summary>
    public required long Accepted { get; init; }

    /// <summary>Inputs that are kept because they went new ways.</summary>
    public required IReadOnlyList<byte[]> Corpus { get; init; }

    public required int Edges { get; init; }

    public required double Seconds { get; init; }

    /// <summary>The longest run in milliseconds, as the clock says: on a busy machine that is no property of the reader.</summary>
    public required double Slowest { get; init; }

    /// <summary>The largest allocation of a run, native memory included.</summary>
    public required long MostBytes { get; init; }

    /// <summary>One of each kind.</summary>
    public required IReadOnlyList<Finding> Findings { get; init; }
}
