using FilterPruning.Detection.Models;
using FilterPruning.Detection.Ops;

namespace FilterPruning.Detection.Onnx;

/// <summary>How far two answers to one image are apart: detections matched by class and overlap, and the largest differences of the matched ones.</summary>
/// <param name="Expected">How many detections the first answer has.</param>
/// <param name="Found">How many the second has.</param>
/// <param name="Matched">How many were matched: the same class, boxes overlapping by half or more, best overlap first.</param>
/// <param name="BoxPixels">The largest difference of a corner's coordinate, pixels; 0 where nothing was matched.</param>
/// <param name="Score">The largest difference of scores; 0 where nothing was matched.</param>
/// <param name="MaskIou">The smallest IoU of two masks above one half; 1 where nothing was matched.</param>
public sealed record DetectionComparison(int Expected, int Found, int Matched, double BoxPixels, double Score, double MaskIou)
{
    /// <summary>What two runs of one detector on different runtimes may differ by: 0.05 pixels, 0.001 in scores, 0.99 of the masks; the same number of detections, all matched.</summary>
    public bool IsWithinTolerance => Expected == Found && Matched == Expected && BoxPixels <= BoxTolerance && Score <= ScoreTolerance && MaskIou >= LeastMaskIou;

    /// <summary>Pixels.</summary>
    public const double BoxTolerance = 0.05;

    /// <summary>Of a score.</summary>
    public const double ScoreTolerance = 1e-3;

    /// <summary>Of two masks.</summary>
    public const double LeastMaskIou = 0.99;

    /// <summary>Compares.</summary>
    /// <param name="expected">The first answer, masks at the image's size; stays the caller's.</param>
    /// <param name="found">The second answer to the same image; stays the caller's.</param>
    public static DetectionComparison Of(Models.Detection expected, Models.Detection found)
    {
        ArgumentNullException.ThrowIfNull(expected);
        ArgumentNullException.ThrowIfNull(found);
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        var (boxPixels, score, maskIou) = (0.0, 0.0, 1.0);
        var pairs = Match(expected, found);
        foreach (var (i, j) in pairs)
        {
            using var inner = NewDisposeScope();
            boxPixels = Math.Max(boxPixels, (expected.Boxes[i] - found.Boxes[j]).abs().max().item<float>());
            score = Math.Max(score, Math.Abs(expected.Scores[i].item<float>() - found.Scores[j].item<float>()));
            var (one, two) = (expected.Masks[i] > 0.5, found.Masks[j] > 0.5);
            var union = one.logical_or(two).sum().item<long>();
            if (union > 0)
                maskIou = Math.Min(maskIou, one.logical_and(two).sum().item<long>() / (double)union);
        }

        return new DetectionComparison(expected.Count, found.Count, pairs.Count, boxPixels, score, maskIou);
    }

    /// <summary>The worse of two comparisons in every respect; counts are added.</summary>
    public DetectionComparison With(DetectionComparison other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return new(
            Expected + other.Expected, Found + other.Found, Matched + other.Matched,
            Math.Max(BoxPixels, other.BoxPixels), Math.Max(Score, other.Score), Math.Min(MaskIou, other.MaskIou));
    }

    /// <summary>One line for people.</summary>
    public override string ToString() => FormattableString.Invariant(
        $"{Found} of {Expected} detections, {Matched} matched; largest differences: boxes {BoxPixels:0.0000} px, scores {Score:0.000000}, masks IoU {MaskIou:0.0000}");

    private static List<(long Expected, long Found)> Match(Models.Detection expected, Models.Detection found)
    {
        var pairs = new List<(long, long)>();
        if (expected.Count == 0 || found.Count == 0)
            return pairs;
        var sameClass = expected.Labels.unsqueeze(1).eq(found.Labels.unsqueeze(0));
        var overlap = BoxOps.Iou(expected.Boxes, found.Boxes) * sameClass.to(float32);
        var candidates = new List<(float Overlap, long Expected, long Found)>();
        for (long i = 0; i < expected.Count; i++)
        {
            for (long j = 0; j < found.Count; j++)
            {
                if (overlap[i, j].item<float>() >= 0.5f)
                    candidates.Add((overlap[i, j].item<float>(), i, j));
            }
        }

        foreach (var (_, i, j) in candidates.OrderByDescending(candidate => candidate.Overlap))
        {
            if (!pairs.Any(pair => pair.Item1 == i || pair.Item2 == j))
                pairs.Add((i, j));
        }

        return pairs;
    }
}
