using FilterPruning.Detection.Models;

namespace FilterPruning.Detection.Data;

/// <summary>One image with what is on it. Owns its tensors.</summary>
/// <param name="ImageId">The data set's own number of the image.</param>
/// <param name="Image">float32 <c>[3, H, W]</c>, RGB, 0 … 1.</param>
/// <param name="Target">Boxes, labels and masks of the objects that count (no crowds).</param>
public sealed record DetectionSample(long ImageId, Tensor Image, Target Target) : IDisposable
{
    /// <summary>Regions of crowds, to be ignored in evaluation; empty for most data sets.</summary>
    public IReadOnlyList<CrowdRegion> Crowds { get; init; } = [];

    /// <summary>Disposes the image and the target.</summary>
    public void Dispose()
    {
        Image.Dispose();
        Target.Dispose();
    }
}

/// <summary>A region of an image that holds many objects of one class, not told apart.</summary>
/// <param name="Label">The class, 1 … classes − 1.</param>
/// <param name="Mask">The region.</param>
/// <param name="Box">x, y, width, height in pixels.</param>
/// <param name="Area">Area in pixels, as the annotation states it.</param>
public sealed record CrowdRegion(int Label, RleMask Mask, (double X, double Y, double Width, double Height) Box, double Area);

/// <summary>A data set of images with object masks. Loading is repeatable: the same index always gives the same sample.</summary>
public interface IDetectionDataset
{
    /// <summary>The data set's name for reports.</summary>
    string Name { get; }

    /// <summary>The class names without the background; label i is <c>ClassNames[i - 1]</c>.</summary>
    IReadOnlyList<string> ClassNames { get; }

    /// <summary>The number of images.</summary>
    int Count { get; }

    /// <summary>Loads or makes the sample at an index, 0 … Count − 1; the caller owns it.</summary>
    DetectionSample Load(int index);
}
