using System.Text.Json;
using FilterPruning.Detection.Data;
using FilterPruning.Storage;

namespace FilterPruning.Detection.Evaluation;

/// <summary>COCO's results files: a json list of detections with <c>image_id</c>, <c>category_id</c>, <c>score</c>, and <c>bbox</c> or <c>segmentation</c>.</summary>
public static class CocoResults
{
    /// <summary>Reads detections.</summary>
    /// <param name="path">A results file.</param>
    /// <param name="truth">The ground truth they belong to: gives sizes for polygons, and says which images there are.</param>
    /// <returns>The detections in the file's order; without a box they have their mask's, without a segmentation they have no mask.</returns>
    /// <exception cref="DatasetException">The file is missing or damaged, or a detection is on an image that the ground truth does not have.</exception>
    public static IReadOnlyList<DetectedInstance> Read(string path, CocoGroundTruth truth) => Read(path, truth, new CocoLimits());

    /// <summary>Reads detections with other limits than the usual ones.</summary>
    /// <param name="path">A results file.</param>
    /// <param name="truth">The ground truth they belong to.</param>
    /// <param name="limits">What is taken at most.</param>
    /// <exception cref="DatasetException">As for <see cref="Read(string, CocoGroundTruth)"/>.</exception>
    public static IReadOnlyList<DetectedInstance> Read(string path, CocoGroundTruth truth, CocoLimits limits)
    {
        ArgumentNullException.ThrowIfNull(truth);
        ArgumentNullException.ThrowIfNull(limits);
        return Of(path, CocoJson.Read(path, CocoJson.Default.ListCocoResult, limits), truth, limits);
    }

    internal static IReadOnlyList<DetectedInstance> Of(string path, List<CocoResult> entries, CocoGroundTruth truth, CocoLimits limits)
    {
        if (entries.Count > limits.Annotations)
            throw new DatasetException($"'{path}' has {entries.Count} detections; the limit is {limits.Annotations}. Raise {nameof(CocoLimits)}.{nameof(CocoLimits.Annotations)} if you trust the file.");
        var detections = new DetectedInstance[entries.Count];
        for (var i = 0; i < detections.Length; i++)
            detections[i] = Convert(entries[i], truth, limits, $"Entry {i} of '{path}'");
        return detections;
    }

    /// <summary>Writes detections, boxes and masks, for any tool that reads COCO results. An existing file is replaced, at the end and at once.</summary>
    /// <param name="path">The file.</param>
    /// <param name="detections">The detections.</param>
    /// <exception cref="ModelFileException">The file cannot be written; what was there stays.</exception>
    public static void Write(string path, IEnumerable<DetectedInstance> detections)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        ArgumentNullException.ThrowIfNull(detections);
        var entries = detections.Select(detection => new CocoResult
        {
            ImageId = detection.ImageId,
            CategoryId = detection.Category,
            Box = [detection.Box.X, detection.Box.Y, detection.Box.Width, detection.Box.Height],
            Segmentation = detection.Mask is { } mask ? new CocoSegmentation { Height = mask.Height, Width = mask.Width, Text = mask.ToCocoString() } : null,
            Score = detection.Score,
        }).ToList();
        AtomicFile.Write(path, stream => JsonSerializer.Serialize(stream, entries, CocoJson.Default.ListCocoResult));
    }

    private static DetectedInstance Convert(CocoResult? entry, CocoGroundTruth truth, CocoLimits limits, string where)
    {
        if (entry is null)
            throw new DatasetException($"{where} is null. Correct the file.");
        if (!double.IsFinite(entry.Score) || entry.Box?.Any(value => !(Math.Abs(value) <= PolygonRasterizer.MaximumCoordinate)) == true)
            throw new DatasetException($"{where} has a score or a bbox that is no usable number. Correct the file.");
        if ((entry.Segmentation?.Polygons?.Sum(polygon => (long)polygon.Length) ?? 0) / 2 > limits.PointsPerObject)
            throw new DatasetException($"{where} has more than {limits.PointsPerObject} points. Raise {nameof(CocoLimits)}.{nameof(CocoLimits.PointsPerObject)} if you trust the file.");
        if (!truth.Images.TryGetValue(entry.ImageId, out var size))
            throw new DatasetException($"{where} is on image {entry.ImageId}, which the ground truth does not have. The two files do not belong together.");
        RleMask? mask;
        try
        {
            mask = entry.Segmentation?.ToMask(size.Height, size.Width);
        }
        catch (ArgumentException error)
        {
            throw new DatasetException($"{where} has a bad segmentation: {error.Message}", error);
        }

        if (entry.Box is [var x, var y, var width, var height])
            return new DetectedInstance(entry.ImageId, entry.CategoryId, (x, y, width, height), mask, entry.Score);
        if (entry.Box is not (null or []) || mask is null)
            throw new DatasetException($"{where} must have a bbox of four numbers, or a segmentation.");
        return new DetectedInstance(entry.ImageId, entry.CategoryId, mask.BoundingBox(), mask, entry.Score);
    }
}
