using System.Text.Json.Serialization;
using FilterPruning.Detection.Data;

namespace FilterPruning.Detection.Evaluation;

/// <summary>Where a figure lies.</summary>
/// <param name="Low">The lower end.</param>
/// <param name="High">The upper end, no less than the lower.</param>
public readonly record struct BootstrapInterval([property: JsonPropertyName("low")] double Low, [property: JsonPropertyName("high")] double High);

/// <summary>
/// How far figures of an evaluation may move with other images of the same kind: percentile intervals over resampled images (Efron, "Bootstrap methods: another look at the
/// jackknife", 1979). As many images as there are are drawn with replacement, many times; each figure's middle 95 % is its interval. Plain data.
/// </summary>
/// <remarks>
/// <para>Images are drawn, not objects: objects on one image are alike. An image without objects and detections is drawn like any other.</para>
/// <para>The detector is not run again and nothing is matched again: matching never looks beyond one image. The spread of training is not in these intervals.</para>
/// <para>
/// Equal scores on different images stand in the order of the images, as in <see cref="CocoEvaluator"/>; copies of one image stand side by side there.
/// </para>
/// </remarks>
public sealed record BootstrapIntervals
{
    /// <summary>The share of the resamples that each interval covers.</summary>
    public const double Confidence = 0.95;

    /// <summary>The mask AP at IoU 0.50; null when no resample had ground truth.</summary>
    [JsonPropertyName("maskAP50")]
    public BootstrapInterval? MaskAP50 { get; init; }

    /// <summary>The mean mask IoU of matched detections; null when no resample had a match.</summary>
    [JsonPropertyName("iouAt50")]
    public BootstrapInterval? IouAt50 { get; init; }

    /// <summary>The share of ground truths matched; null when no resample had ground truth.</summary>
    [JsonPropertyName("matchRate")]
    public BootstrapInterval? MatchRate { get; init; }

    /// <summary>How many times the images were drawn.</summary>
    [JsonPropertyName("resamples")]
    public required int Resamples { get; init; }

    /// <summary>The seed of the draws: the same images, detections and seed give the same intervals.</summary>
    [JsonPropertyName("seed")]
    public required long Seed { get; init; }

    /// <summary>Draws the images anew and measures each draw.</summary>
    /// <param name="images">Ids of all images that were evaluated, those without objects too; each once.</param>
    /// <param name="truths">All annotated objects on them.</param>
    /// <param name="detections">All detections on them.</param>
    /// <param name="resamples">How many times; at least 1.</param>
    /// <param name="seed">The seed of the draws.</param>
    /// <param name="matchIou">As <see cref="EvaluationOptions.MatchIou"/>.</param>
    /// <param name="matchScore">As <see cref="EvaluationOptions.MatchScore"/>.</param>
    /// <param name="cancellation">Ends the work early.</param>
    /// <exception cref="ArgumentException">No images, one twice, an object or detection on another image, or as <see cref="CocoEvaluator.Evaluate"/>.</exception>
    public static BootstrapIntervals Compute(
        IReadOnlyList<long> images,
        IReadOnlyList<GroundTruthInstance> truths,
        IReadOnlyList<DetectedInstance> detections,
        int resamples = 1000,
        long seed = 0,
        double matchIou = 0.5,
        double matchScore = 0.5,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(images);
        ArgumentNullException.ThrowIfNull(truths);
        ArgumentNullException.ThrowIfNull(detections);
        ArgumentOutOfRangeException.ThrowIfLessThan(resamples, 1);
        var known = images.ToHashSet();
        if (images.Count == 0 || known.Count != images.Count)
            throw new ArgumentException($"There are {images.Count} image ids, {known.Count} of them different; give at least one, and each once.", nameof(images));
        foreach (var image in truths.Select(truth => truth.ImageId).Concat(detections.Select(detection => detection.ImageId)))
        {
            if (!known.Contains(image))
                throw new ArgumentException($"There is something on image {image}, which is not among the {images.Count} given. Give the ids of all images that were evaluated.", nameof(images));
        }

        var masks = CocoEvaluator.Accumulate(truths, detections, IouType.Mask, cancellation);
        return Draw(images, masks, MatchedIou.OfImages(truths, detections, IouType.Mask, matchIou, matchScore), resamples, seed, cancellation);
    }

    /// <summary>The same from what is matched already.</summary>
    internal static BootstrapIntervals Draw(
        IReadOnlyList<long> images,
        IReadOnlyList<(int Category, CategoryAccumulator Matches)> masks,
        IReadOnlyList<(long ImageId, double IouSum, int Matches, int GroundTruths)> matched,
        int resamples,
        long seed,
        CancellationToken cancellation)
    {
        // A data set may hold an id twice; its copies are then one image to the evaluator, and so they are here.
        var indexOf = images.Distinct().Select((id, index) => (id, index)).ToDictionary(entry => entry.id, entry => entry.index);
        var figures = new ResampledFigures([.. masks.Select(entry => entry.Matches.ForResampling(0, indexOf))], [.. matched.Select(entry => (indexOf[entry.ImageId], entry.IouSum, entry.Matches, entry.GroundTruths))]);
        var random = new SplitMix64((ulong)seed);
        var copies = new int[indexOf.Count];
        var drawn = (Precision: new List<double>(resamples), Iou: new List<double>(resamples), Rate: new List<double>(resamples));
        for (var resample = 0; resample < resamples; resample++)
        {
            cancellation.ThrowIfCancellationRequested();
            Array.Clear(copies);
            for (var i = 0; i < copies.Length; i++)
                copies[random.NextInt(copies.Length)]++;
            var (precision, iou, rate) = figures.Of(copies);
            drawn.Precision.Add(precision);
            drawn.Iou.Add(iou);
            drawn.Rate.Add(rate);
        }

        return new BootstrapIntervals { MaskAP50 = Middle(drawn.Precision), IouAt50 = Middle(drawn.Iou), MatchRate = Middle(drawn.Rate), Resamples = resamples, Seed = seed };
    }

    /// <summary>The middle 95 % of the values that are defined (not −1), interpolated between neighbours; null without any.</summary>
    internal static BootstrapInterval? Middle(IEnumerable<double> values)
    {
        double[] defined = [.. values.Where(value => value >= 0).Order()];
        if (defined.Length == 0)
            return null;
        return new BootstrapInterval(Quantile((1 - Confidence) / 2), Quantile((1 + Confidence) / 2));

        double Quantile(double share)
        {
            var place = share * (defined.Length - 1);
            var below = (int)place;
            var above = Math.Min(below + 1, defined.Length - 1);
            return defined[below] + ((place - below) * (defined[above] - defined[below]));
        }
    }
}
