namespace FilterPruning.Detection.Data;

/// <summary>A data set's files are missing, damaged, or do not fit together. The message names the file and the entry.</summary>
public sealed class DatasetException : PruningException
{
    /// <summary>Creates the exception with a message that names the file, the entry, and what to do.</summary>
    public DatasetException(string message)
        : base(message)
    {
    }

    /// <summary>Creates the exception with a message and the error that caused it.</summary>
    public DatasetException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
