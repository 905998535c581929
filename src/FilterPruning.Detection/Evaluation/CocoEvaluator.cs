using static FilterPruning.Detection.Evaluation.CocoParameters;

namespace FilterPruning.Detection.Evaluation;

/// <summary>
/// COCO's detection figures, with the semantics of <c>pycocotools.cocoeval.COCOeval</c> and equal to it but for rounding.
/// Pure functions of their arguments; safe to use from several threads.
/// </summary>
/// <remarks>
/// Two things differ from pycocotools, both where it trips over itself. A ground truth whose id is 0 counts as any other (there, its match is lost).
/// For masks, a detection's area is its mask's even where a box is given beside it (there, it is the box's, unless the boxes are deleted first as most tools do).
/// </remarks>
public static class CocoEvaluator
{
    // what the twelve figures are made of: area range and detections per image and class
    private static readonly (int Area, int Detections)[] Settings = [(All, 100), (Small, 100), (Medium, 100), (Large, 100), (All, 1), (All, 10)];

    /// <summary>Computes the twelve figures.</summary>
    /// <param name="truths">All annotated objects, crowds among them, in the annotations' order.</param>
    /// <param name="detections">All detections on the same images, of any scores, in any order; of equal scores the first given comes first.</param>
    /// <param name="type">Whether boxes or masks are compared.</param>
    /// <param name="cancellation">Ends the work early.</param>
    /// <remarks>
    /// The images are all that occur in either list, the classes all that have ground truth: detections of a class without any are not counted, as in COCO,
    /// but those on an image without ground truth are.
    /// </remarks>
    /// <exception cref="ArgumentException">A number is not finite, a side negative, a mask missing or of another size than the ground truth's on its image.</exception>
    public static CocoMetrics Evaluate(
        IReadOnlyList<GroundTruthInstance> truths, IReadOnlyList<DetectedInstance> detections, IouType type, CancellationToken cancellation = default)
    {
        return Summarize(Accumulate(truths, detections, type, cancellation));
    }

    /// <summary>Matches everything, once: one accumulator for each class that has ground truth, classes ascending.</summary>
    internal static IReadOnlyList<(int Category, CategoryAccumulator Matches)> Accumulate(
        IReadOnlyList<GroundTruthInstance> truths, IReadOnlyList<DetectedInstance> detections, IouType type, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(truths);
        ArgumentNullException.ThrowIfNull(detections);
        var categories = new List<(int, CategoryAccumulator)>();
        foreach (var (category, cells) in EvaluationCell.Group(truths, detections, type))
        {
            cancellation.ThrowIfCancellationRequested();
            if (cells.All(cell => cell.Truths.Count == 0))
                continue;
            var accumulator = new CategoryAccumulator();
            foreach (var cell in cells)
            {
                cell.Prepare(type);
                accumulator.Add(cell, type);
                cell.Release();
            }

            accumulator.Sort();
            categories.Add((category, accumulator));
        }

        return categories;
    }

    /// <summary>The twelve figures of what was matched.</summary>
    internal static CocoMetrics Summarize(IReadOnlyList<(int Category, CategoryAccumulator Matches)> matched)
    {
        var precision = new Mean[Settings.Length, Thresholds.Length];
        var recall = new Mean[Settings.Length];
        List<CategoryMetrics> categories = [.. matched.Select(entry => Add(entry.Category, entry.Matches, precision, recall))];
        return Summarize(precision, recall, categories);
    }

    private static CategoryMetrics Add(int category, CategoryAccumulator accumulator, Mean[,] precision, Mean[] recall)
    {
        Mean ap = default, ar = default;
        double ap50 = -1;
        for (var s = 0; s < Settings.Length; s++)
        {
            for (var t = 0; t < Thresholds.Length; t++)
            {
                var (p, r) = accumulator.Curve(Settings[s].Area, t, Settings[s].Detections);
                precision[s, t].Add(p);
                recall[s].Add(r);
                if (s != 0)
                    continue;
                ap.Add(p);
                ar.Add(r);
                if (t == 0)
                    ap50 = p;
            }
        }

        return new CategoryMetrics(category, ap.Value, ap50, ar.Value, accumulator.Truths(All));
    }

    private static CocoMetrics Summarize(Mean[,] precision, Mean[] recall, List<CategoryMetrics> categories) => new()
    {
        AP = Average(precision, 0),
        AP50 = precision[0, 0].Value,
        AP75 = precision[0, 5].Value,
        APsmall = Average(precision, 1),
        APmedium = Average(precision, 2),
        APlarge = Average(precision, 3),
        AR1 = recall[4].Value,
        AR10 = recall[5].Value,
        AR100 = recall[0].Value,
        ARsmall = recall[1].Value,
        ARmedium = recall[2].Value,
        ARlarge = recall[3].Value,
        Categories = categories,
    };

    // every threshold has the same classes behind it, so the mean of the means is the mean
    private static double Average(Mean[,] precision, int setting)
    {
        Mean mean = default;
        for (var t = 0; t < Thresholds.Length; t++)
            mean.Add(precision[setting, t].Value);
        return mean.Value;
    }

    /// <summary>A mean over what is defined; −1 over nothing.</summary>
    private struct Mean
    {
        private double _sum;
        private int _count;

        public readonly double Value => _count == 0 ? -1 : _sum / _count;

        public void Add(double value)
        {
            if (value < 0)
                return;
            _sum += value;
            _count++;
        }
    }
}
