using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace FilterPruning.Detection.Evaluation;

/// <summary>How good a detector is on a data set. Plain data.</summary>
public sealed record EvaluationResult
{
    /// <summary>The data set's name.</summary>
    [JsonPropertyName("dataset")]
    public required string Dataset { get; init; }

    /// <summary>COCO's figures of the boxes.</summary>
    [JsonPropertyName("box")]
    public required CocoMetrics Box { get; init; }

    /// <summary>COCO's figures of the masks.</summary>
    [JsonPropertyName("mask")]
    public required CocoMetrics Mask { get; init; }

    /// <summary>Mean mask IoU of the detections that match a ground truth; −1 without any match. See <see cref="MatchedIou"/>.</summary>
    [JsonPropertyName("iouAt50")]
    public required double IouAt50 { get; init; }

    /// <summary>Matched ground truths / all ground truths; −1 without any. See <see cref="MatchedIou"/>.</summary>
    [JsonPropertyName("matchRate")]
    public required double MatchRate { get; init; }

    /// <summary>The number of images.</summary>
    [JsonPropertyName("images")]
    public required int Images { get; init; }

    /// <summary>The number of ground truths that are no crowds.</summary>
    [JsonPropertyName("instances")]
    public required int Instances { get; init; }

    /// <summary>The number of detections, of any score.</summary>
    [JsonPropertyName("detections")]
    public required int Detections { get; init; }

    /// <summary>How far the figures may move with other images; null unless <see cref="EvaluationOptions.BootstrapResamples"/> asked for it.</summary>
    [JsonPropertyName("intervals")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public BootstrapIntervals? Intervals { get; init; }

    /// <summary>The class names; a <see cref="CategoryMetrics.Category"/> i is <c>ClassNames[i - 1]</c>.</summary>
    [JsonPropertyName("classNames")]
    public required IReadOnlyList<string> ClassNames { get; init; }

    /// <summary>A report for people: the figures, then a line for each class.</summary>
    public string ToText()
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{Dataset}: {Images} images, {Instances} objects, {Detections} detections\n");
        text.Append("\nboxes\n").Append(Box.ToText());
        text.Append("\nmasks\n").Append(Mask.ToText());
        text.Append(CultureInfo.InvariantCulture, $"\nIoU of matched masks {CocoMetrics.Format(IouAt50)}, matched {CocoMetrics.Format(MatchRate)} of the objects\n");
        if (Mask.Categories.Count > 0)
            AppendClasses(text);
        return text.ToString();
    }

    /// <summary>The result as a JSON object: <c>box.AP</c>, <c>box.AP50</c>, …, <c>mask.AP</c>, …, <c>iouAt50</c>, <c>matchRate</c>, <c>images</c>, <c>instances</c>.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, EvaluationJson.Default.EvaluationResult);

    private void AppendClasses(StringBuilder text)
    {
        var width = Math.Max(5, Mask.Categories.Max(category => NameOf(category.Category).Length));
        text.Append('\n').Append("class".PadRight(width)).Append("  objects    box AP  box AP50   mask AP mask AP50\n");
        foreach (var (box, mask) in Box.Categories.Zip(Mask.Categories))
        {
            text.Append(NameOf(mask.Category).PadRight(width)).Append(mask.GroundTruths.ToString(CultureInfo.InvariantCulture).PadLeft(9));
            foreach (var value in (double[])[box.AP, box.AP50, mask.AP, mask.AP50])
                text.Append(CocoMetrics.Format(value).PadLeft(10));
            text.Append('\n');
        }
    }

    private string NameOf(int category) => category >= 1 && category <= ClassNames.Count ? ClassNames[category - 1] : category.ToString(CultureInfo.InvariantCulture);
}

[JsonSourceGenerationOptions(WriteIndented = true)]
[JsonSerializable(typeof(EvaluationResult))]
internal sealed partial class EvaluationJson : JsonSerializerContext;
