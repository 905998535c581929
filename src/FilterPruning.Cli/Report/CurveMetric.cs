namespace FilterPruning.Cli.Report;

/// <summary>What a picture shows.</summary>
/// <param name="FileName">The last part of the picture's name.</param>
/// <param name="Label">The figure's name.</param>
/// <param name="Figure">The figure of a point.</param>
/// <param name="Lowest">Where the axis begins; a matched detection's IoU is at least 0.5.</param>
/// <param name="HasStudy">Whether the study's 0.72 may be this figure.</param>
internal sealed record CurveMetric(string FileName, string Label, Func<ResultPoint, double?> Figure, double Lowest, bool HasStudy)
{
    public static readonly IReadOnlyList<CurveMetric> All =
    [
        new("mask-ap50", "mask AP50", point => point.MaskAP50, 0, HasStudy: true),
        new("mask-ap75", "mask AP75", point => point.MaskAP75, 0, HasStudy: false),
        new("iou-at-50", "IoU@0.5 (mean mask IoU of matched detections)", point => point.IouAt50, 0.5, HasStudy: true),
        new("match-rate", "match rate", point => point.MatchRate, 0, HasStudy: false),
    ];
}
