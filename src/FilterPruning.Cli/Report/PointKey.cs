using System.Globalization;

namespace FilterPruning.Cli.Report;

/// <summary>What identifies a point of the study. Two lines with the same key measured the same thing.</summary>
/// <param name="Dataset">The data that it is measured on, such as <c>pennfudan</c>.</param>
/// <param name="Model">The architecture.</param>
/// <param name="Checkpoint">First digits of the dense file's SHA-256; empty when unknown.</param>
/// <param name="Criterion">How filters are scored.</param>
/// <param name="Scope">How scores are compared: <c>global-raw</c>, <c>global-normalised</c>, <c>local</c>, <c>allocated</c>.</param>
/// <param name="Layers">Which layers take part.</param>
/// <param name="Ratio">Share of those layers' filters to remove; null where a target stands instead.</param>
/// <param name="Target">A target such as <c>macs:0.5</c>, or null.</param>
/// <param name="Repair">How the model is repaired; <c>none</c> for a raw cut.</param>
/// <param name="Images">Unlabelled images that the repair saw, or null.</param>
/// <param name="FineTuned">Whether the model was trained after the cut.</param>
/// <param name="Seed">Of everything random.</param>
/// <param name="EvalImages">Images that it is measured on.</param>
/// <param name="EvalSize">Short side of those images, in pixels.</param>
/// <param name="Variant">What sets an experiment beside the grid apart, in words: how it was fine-tuned, or that it was trained from scratch; null in the grid.</param>
/// <param name="Budget">Length of the fine-tuning as a share of the original training; null without one, or when unknown.</param>
internal sealed record PointKey(
    string Dataset, string Model, string Checkpoint, string Criterion, string Scope, string Layers, double? Ratio, string? Target,
    string Repair, int? Images, bool FineTuned, int Seed, int? EvalImages, int? EvalSize, string? Variant = null, double? Budget = null)
{
    /// <summary>What was asked to go: <c>40 %</c>, or the target.</summary>
    public string Amount => Target ?? (Ratio is { } ratio ? string.Create(CultureInfo.InvariantCulture, $"{100 * ratio:0.##} %") : "–");

    /// <summary>How it was fine-tuned, with a comma in front; empty when it was not.</summary>
    public string Tuned => !FineTuned ? "" : Budget is { } budget ? string.Create(CultureInfo.InvariantCulture, $", fine-tuned for {100 * budget:0.##} % of the training") : ", fine-tuned";

    /// <summary>The key as one line of text, for messages.</summary>
    public override string ToString()
    {
        var text = $"{Dataset}, {Model}, {Criterion}, {Scope}, {Layers}, {Amount}, repair {Repair}";
        if (Images is { } images)
            text += string.Create(CultureInfo.InvariantCulture, $" from {images} images");
        text += Tuned;
        if (Variant is not null)
            text += $" ({Variant})";
        return string.Create(CultureInfo.InvariantCulture, $"{text}, seed {Seed}");
    }
}
