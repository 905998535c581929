using System.Globalization;
using System.Text;

namespace FilterPruning.Detection.Evaluation;

/// <summary>
/// COCO's twelve figures, each 0 … 1, or −1 where there was nothing to measure (no ground truth in that range).
/// AP is the precision averaged over 101 recalls, over the classes and, unless a threshold is named, over the IoU thresholds 0.50, 0.55 … 0.95.
/// AR is the recall averaged over classes and thresholds. Small, medium and large part the objects at areas of 32² and 96² pixels.
/// </summary>
public sealed record CocoMetrics
{
    /// <summary>Average precision over IoU 0.50 … 0.95.</summary>
    public double AP { get; init; } = -1;

    /// <summary>Average precision at IoU 0.50.</summary>
    public double AP50 { get; init; } = -1;

    /// <summary>Average precision at IoU 0.75.</summary>
    public double AP75 { get; init; } = -1;

    /// <summary>Average precision of objects up to 32² pixels.</summary>
    public double APsmall { get; init; } = -1;

    /// <summary>Average precision of objects of 32² … 96² pixels.</summary>
    public double APmedium { get; init; } = -1;

    /// <summary>Average precision of objects from 96² pixels.</summary>
    public double APlarge { get; init; } = -1;

    /// <summary>Average recall with 1 detection per image and class.</summary>
    public double AR1 { get; init; } = -1;

    /// <summary>Average recall with 10 detections per image and class.</summary>
    public double AR10 { get; init; } = -1;

    /// <summary>Average recall with 100 detections per image and class.</summary>
    public double AR100 { get; init; } = -1;

    /// <summary>Average recall of objects up to 32² pixels.</summary>
    public double ARsmall { get; init; } = -1;

    /// <summary>Average recall of objects of 32² … 96² pixels.</summary>
    public double ARmedium { get; init; } = -1;

    /// <summary>Average recall of objects from 96² pixels.</summary>
    public double ARlarge { get; init; } = -1;

    /// <summary>The same for each class that has ground truth, in ascending order of the class.</summary>
    public IReadOnlyList<CategoryMetrics> Categories { get; init; } = [];

    /// <summary>The twelve figures with their names, in COCO's order.</summary>
    public IReadOnlyList<(string Name, double Value)> Figures() =>
    [
        (nameof(AP), AP), (nameof(AP50), AP50), (nameof(AP75), AP75), (nameof(APsmall), APsmall), (nameof(APmedium), APmedium), (nameof(APlarge), APlarge),
        (nameof(AR1), AR1), (nameof(AR10), AR10), (nameof(AR100), AR100), (nameof(ARsmall), ARsmall), (nameof(ARmedium), ARmedium), (nameof(ARlarge), ARlarge),
    ];

    /// <summary>Two aligned lines of six figures with their names above; a dash where nothing was measured.</summary>
    public string ToText()
    {
        var text = new StringBuilder();
        foreach (var row in Figures().Chunk(6))
        {
            text.AppendJoin("  ", row.Select(figure => figure.Name.PadLeft(8))).Append('\n');
            text.AppendJoin("  ", row.Select(figure => Format(figure.Value).PadLeft(8))).Append('\n');
        }

        return text.ToString();
    }

    internal static string Format(double value) => value < 0 ? "–" : value.ToString("0.0000", CultureInfo.InvariantCulture);
}

/// <summary>The figures of one class.</summary>
/// <param name="Category">The class.</param>
/// <param name="AP">Average precision over IoU 0.50 … 0.95; −1 where all its ground truth is crowds.</param>
/// <param name="AP50">Average precision at IoU 0.50; −1 likewise.</param>
/// <param name="AR100">Average recall with 100 detections per image; −1 likewise.</param>
/// <param name="GroundTruths">The number of its ground truths that are no crowds.</param>
public sealed record CategoryMetrics(int Category, double AP, double AP50, double AR100, int GroundTruths);
