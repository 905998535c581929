namespace FilterPruning;

/// <summary>The base of every error this library raises about a model, a plan or a file. Bad arguments stay <see cref="ArgumentException"/>.</summary>
public class PruningException : Exception
{
    /// <summary>Creates the exception with a message that names what was given, what is allowed and what to do.</summary>
    public PruningException(string message)
        : base(message)
    {
    }

    /// <summary>Creates the exception with a message and the error that caused it.</summary>
    public PruningException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
