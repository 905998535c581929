namespace FilterPruning.Storage;

/// <summary>Tensors that do not fit a module. The message lists every difference; the module was not touched.</summary>
public sealed class StateDictException : PruningException
{
    /// <summary>Creates the error.</summary>
    /// <param name="message">All differences in words.</param>
    /// <param name="missing">Names the module has and the source lacks.</param>
    /// <param name="unexpected">Names the source has and the module lacks.</param>
    /// <param name="mismatched">Names both have, with different shapes or with types that cannot be cast.</param>
    public StateDictException(string message, IReadOnlyList<string> missing, IReadOnlyList<string> unexpected, IReadOnlyList<string> mismatched)
        : base(message)
    {
        Missing = missing;
        Unexpected = unexpected;
        Mismatched = mismatched;
    }

    /// <summary>Names the module has and the source lacks.</summary>
    public IReadOnlyList<string> Missing { get; }

    /// <summary>Names the source has and the module lacks.</summary>
    public IReadOnlyList<string> Unexpected { get; }

    /// <summary>Names both have, with different shapes or with types that cannot be cast.</summary>
    public IReadOnlyList<string> Mismatched { get; }
}
