namespace FilterPruning.Planning;

/// <summary>Options that cannot be used. One exception lists everything that is wrong: what was given, what is allowed, what to do.</summary>
public sealed class PruningOptionsException : ArgumentException
{
    /// <summary>Creates the exception from one sentence per violation.</summary>
    public PruningOptionsException(IReadOnlyList<string> errors)
        : base(string.Join(Environment.NewLine, errors), "options") => Errors = errors;

    /// <summary>One entry per violation.</summary>
    public IReadOnlyList<string> Errors { get; }
}
