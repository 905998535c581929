using FilterPruning.Detection.Data;

namespace FilterPruning.Detection.Evaluation;

/// <summary>One detection, as plain data.</summary>
/// <param name="ImageId">The image it is on.</param>
/// <param name="Category">Its class: any number, as long as the ground truth uses the same.</param>
/// <param name="Box">x, y, width, height in pixels.</param>
/// <param name="Mask">Its pixels; needed for <see cref="IouType.Mask"/> only.</param>
/// <param name="Score">How sure the detector is; only the order counts, except where a minimum is asked for.</param>
public sealed record DetectedInstance(
    long ImageId, int Category, (double X, double Y, double Width, double Height) Box, RleMask? Mask, double Score)
{
    /// <summary>Area in pixels that decides the size range: of the box for <see cref="IouType.Box"/>, of the mask for <see cref="IouType.Mask"/>.</summary>
    public double Area(IouType type) => type == IouType.Box ? Box.Width * Box.Height : Mask!.Area;
}
