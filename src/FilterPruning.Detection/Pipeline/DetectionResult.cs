namespace FilterPruning.Detection.Pipeline;

/// <summary>What came of one image of a stream. Owns its tensors: dispose it when done.</summary>
/// <param name="Index">The image's place in the stream, from 0. Results come in this order, without gaps.</param>
/// <param name="Name">The name of its <see cref="ImageSource"/>.</param>
public sealed record DetectionResult(long Index, string Name) : IDisposable
{
    /// <summary>What was found, possibly nothing; null where <see cref="Error"/> is set.</summary>
    public Models.Detection? Detection { get; init; }

    /// <summary>The image, float32 <c>[3, H, W]</c>, where <see cref="ThroughputOptions.KeepImages"/> asks for it; else null. One that was given as a tensor is not disposed with the result.</summary>
    public Tensor? Image { get; init; }

    /// <summary>Why there is no detection; only with <see cref="FailureHandling.Report"/>.</summary>
    public Exception? Error { get; init; }

    internal bool OwnsImage { get; init; }

    /// <summary>Disposes the detection, and the image where the pipeline opened it.</summary>
    public void Dispose()
    {
        Detection?.Dispose();
        if (OwnsImage)
            Image?.Dispose();
    }
}
