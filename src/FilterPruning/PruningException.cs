namespace FilterPruning;

/// <summary>The base of every error this library raises about a model, a plan or a file. Bad arguments stay <see cref="ArgumentException"/>.</summary>
public class PruningException : Exception
{
    /// <summary>
    /// Creates the exception with a message that names what was given, what is allowed and what to do. Control characters in it, which a name out of a file may hold,
    /// are written as <c>\uXXXX</c>, and it is cut after 16,384 characters.
    /// </summary>
    /// <param name="message">The message.</param>
    public PruningException(string message)
        : base(MessageText.Clean(message))
    {
    }

    /// <inheritdoc cref="PruningException(string)"/>
    /// <param name="message">The message.</param>
    /// <param name="innerException">The error that caused it.</param>
    public PruningException(string message, Exception innerException)
        : base(MessageText.Clean(message), innerException)
    {
    }
}
