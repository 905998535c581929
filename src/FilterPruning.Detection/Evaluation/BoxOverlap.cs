namespace FilterPruning.Detection.Evaluation;

/// <summary>Overlap of two boxes x, y, width, height with continuous coordinates, as the COCO API has it (<c>bbIou</c>).</summary>
internal static class BoxOverlap
{
    /// <summary>Intersection over union of a detection with a ground truth; for a crowd over the detection's area. 0 … 1.</summary>
    public static double IoU((double X, double Y, double Width, double Height) detection, (double X, double Y, double Width, double Height) truth, bool crowd)
    {
        var width = Math.Min(detection.X + detection.Width, truth.X + truth.Width) - Math.Max(detection.X, truth.X);
        if (width <= 0)
            return 0;
        var height = Math.Min(detection.Y + detection.Height, truth.Y + truth.Height) - Math.Max(detection.Y, truth.Y);
        if (height <= 0)
            return 0;
        var common = width * height;
        var area = detection.Width * detection.Height;
        return common / (crowd ? area : area + truth.Width * truth.Height - common);
    }
}
