namespace FilterPruning.Storage;

/// <summary>A model file that cannot be read or written: which file, which rejection, and what to do.</summary>
public sealed class ModelFileException : PruningException
{
    /// <summary>Creates the error. The message is <c>path: reason</c>.</summary>
    /// <param name="kind">The rejection.</param>
    /// <param name="filePath">The file as the caller named it.</param>
    /// <param name="reason">What was found, what is allowed and what to do.</param>
    public ModelFileException(ModelFileErrorKind kind, string filePath, string reason)
        : base($"{filePath}: {reason}")
    {
        Kind = kind;
        FilePath = filePath;
    }

    /// <summary>Creates the error with the one that caused it.</summary>
    /// <param name="kind">The rejection.</param>
    /// <param name="filePath">The file as the caller named it.</param>
    /// <param name="reason">What was found, what is allowed and what to do.</param>
    /// <param name="innerException">The cause.</param>
    public ModelFileException(ModelFileErrorKind kind, string filePath, string reason, Exception innerException)
        : base($"{filePath}: {reason}", innerException)
    {
        Kind = kind;
        FilePath = filePath;
    }

    /// <summary>The rejection.</summary>
    public ModelFileErrorKind Kind { get; }

    /// <summary>The file as the caller named it.</summary>
    public string FilePath { get; }
}
