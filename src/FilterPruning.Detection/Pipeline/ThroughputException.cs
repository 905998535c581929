namespace FilterPruning.Detection.Pipeline;

/// <summary>An image of a stream could not be opened or looked at.</summary>
public sealed class ThroughputException : PruningException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="index">The image's place in the stream, from 0.</param>
    /// <param name="name">The image's name.</param>
    /// <param name="innerException">What went wrong.</param>
    public ThroughputException(long index, string name, Exception innerException)
        : base($"Image {index} of the stream, '{name}', failed: {innerException?.Message} Correct or leave out the image, or use {nameof(FailureHandling)}.{nameof(FailureHandling.Report)} to go on without it.", innerException!)
    {
        (Index, ImageName) = (index, name);
    }

    /// <summary>The image's place in the stream, from 0.</summary>
    public long Index { get; }

    /// <summary>The image's name.</summary>
    public string ImageName { get; }
}
