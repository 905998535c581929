using FilterPruning.Detection.Data;

namespace FilterPruning.Detection.Evaluation;

/// <summary>One annotated object, as plain data.</summary>
/// <param name="ImageId">The image it is on.</param>
/// <param name="Category">Its class: any number, as long as detections use the same.</param>
/// <param name="Box">x, y, width, height in pixels.</param>
/// <param name="Mask">Its pixels; needed for <see cref="IouType.Mask"/> only.</param>
/// <param name="Area">Area in pixels as annotated; decides whether it is small, medium or large.</param>
/// <param name="IsCrowd">Whether it is a crowd region: detections in it are neither right nor wrong, and it is never missed.</param>
public sealed record GroundTruthInstance(
    long ImageId, int Category, (double X, double Y, double Width, double Height) Box, RleMask? Mask, double Area, bool IsCrowd = false);
