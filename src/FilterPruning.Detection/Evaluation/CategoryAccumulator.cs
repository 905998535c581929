using static FilterPruning.Detection.Evaluation.CocoParameters;

namespace FilterPruning.Detection.Evaluation;

/// <summary>
/// Collects one class's matches over all images and draws the precision–recall curves from them.
/// Source: <c>COCOeval.evaluateImg</c> and <c>COCOeval.accumulate</c> in <c>pycocotools/cocoeval.py</c>.
/// </summary>
internal sealed class CategoryAccumulator
{
    private enum Outcome : byte
    {
        Wrong,
        Right,
        Ignored,
    }

    /// <summary>numpy's <c>spacing(1)</c>, which COCO adds to the number of detections.</summary>
    internal const double Epsilon = 2.220446049250313e-16;

    private readonly List<double> _scores = [];
    private readonly List<int> _ranks = [];
    private readonly List<long> _images = [];
    private readonly Dictionary<long, int> _truthsOfImage = [];
    private readonly List<Outcome>[] _outcomes = [[], [], [], []];
    private readonly int[] _truths = new int[Areas.Length];
    private int[] _order = [];

    /// <summary>The number of ground truths that count, in an area range.</summary>
    public int Truths(int area) => _truths[area];

    /// <summary>Matches a prepared cell. Cells must come in ascending order of images, which decides between equal scores.</summary>
    public void Add(EvaluationCell cell, IouType type)
    {
        var (truths, detections) = (cell.Truths, cell.Detections);
        for (var d = 0; d < detections.Count; d++)
        {
            _scores.Add(detections[d].Score);
            _ranks.Add(d);
            _images.Add(cell.ImageId);
        }

        var crowd = truths.Select(truth => truth.IsCrowd).ToArray();
        var areas = detections.Select(detection => detection.Area(type)).ToArray();
        var ignore = new bool[truths.Count];
        var order = new int[truths.Count];
        var taken = new bool[truths.Count];
        var matches = new int[detections.Count];
        for (var area = 0; area < Areas.Length; area++)
        {
            var range = Areas[area];
            for (var g = 0; g < truths.Count; g++)
            {
                ignore[g] = crowd[g] || Outside(truths[g].Area, range);
                if (!ignore[g])
                    _truths[area]++;
            }

            if (area == All)
                _truthsOfImage[cell.ImageId] = ignore.Count(ignored => !ignored);

            GreedyMatcher.OrderIgnoredLast(ignore, order);
            var outcomes = _outcomes[area];
            var start = outcomes.Count;
            System.Runtime.InteropServices.CollectionsMarshal.SetCount(outcomes, start + detections.Count * Thresholds.Length);
            var written = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(outcomes)[start..];
            for (var t = 0; t < Thresholds.Length; t++)
            {
                GreedyMatcher.Match(cell.Overlaps, ignore, crowd, order, Thresholds[t], taken, matches);
                for (var d = 0; d < matches.Length; d++)
                {
                    var ignored = matches[d] >= 0 ? ignore[matches[d]] : Outside(areas[d], range);
                    written[d * Thresholds.Length + t] = ignored ? Outcome.Ignored : matches[d] >= 0 ? Outcome.Right : Outcome.Wrong;
                }
            }
        }
    }

    /// <summary>Orders all detections by score; call once after the last <see cref="Add"/>.</summary>
    public void Sort() => _order = [.. Enumerable.Range(0, _scores.Count).OrderByDescending(i => _scores[i])]; // stable

    /// <summary>Average precision and final recall at one threshold; both −1 where the range has no ground truth.</summary>
    /// <param name="area">The area range.</param>
    /// <param name="threshold">Index of the IoU threshold.</param>
    /// <param name="maximumDetections">How many detections per image count.</param>
    public (double Precision, double Recall) Curve(int area, int threshold, int maximumDetections)
    {
        if (_truths[area] == 0)
            return (-1, -1);
        var precisions = new List<double>(_order.Length);
        var recalls = new List<double>(_order.Length);
        int right = 0, wrong = 0;
        foreach (var i in _order)
        {
            var outcome = _outcomes[area][i * Thresholds.Length + threshold];
            if (_ranks[i] >= maximumDetections || outcome == Outcome.Ignored)
                continue;
            if (outcome == Outcome.Right)
                right++;
            else
                wrong++;
            recalls.Add((double)right / _truths[area]);
            precisions.Add(right / (wrong + right + Epsilon));
        }

        // precision at a recall is the best precision at that recall or beyond
        for (var i = precisions.Count - 1; i > 0; i--)
            precisions[i - 1] = Math.Max(precisions[i - 1], precisions[i]);
        double sum = 0;
        var at = 0;
        foreach (var recall in Recalls)
        {
            while (at < recalls.Count && recalls[at] < recall)
                at++;
            if (at == recalls.Count)
                break;
            sum += precisions[at];
        }

        return (sum / Recalls.Length, recalls.Count > 0 ? recalls[^1] : 0);
    }

    /// <summary>
    /// The curve over all sizes at one threshold, in a form that can be drawn again with other numbers of each image: the detections that count in descending
    /// order of scores, and the ground truths of each image. Call after <see cref="Sort"/>.
    /// </summary>
    /// <param name="threshold">Index of the IoU threshold.</param>
    /// <param name="indexOf">The position of an image among those that are resampled.</param>
    public ResampledCurve ForResampling(int threshold, IReadOnlyDictionary<long, int> indexOf)
    {
        var counted = _order.Where(i => _outcomes[All][(i * Thresholds.Length) + threshold] != Outcome.Ignored).ToArray();
        return new ResampledCurve(
            [.. counted.Select(i => indexOf[_images[i]])],
            [.. counted.Select(i => _outcomes[All][(i * Thresholds.Length) + threshold] == Outcome.Right)],
            [.. _truthsOfImage.Select(entry => (indexOf[entry.Key], entry.Value))]);
    }

    private static bool Outside(double area, (double Minimum, double Maximum) range) => area < range.Minimum || area > range.Maximum;
}
