namespace FilterPruning.Detection.Data;

/// <summary>A file of a data set, an image above all, is missing, damaged or not of the form that is needed.</summary>
public sealed class ImageException : PruningException
{
    /// <summary>Creates the exception with a message that names the file, what is wrong with it and what to do.</summary>
    public ImageException(string message)
        : base(message)
    {
    }

    /// <summary>Creates the exception with a message and the error that caused it.</summary>
    public ImageException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
