using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using FilterPruning.Detection.Evaluation;

namespace FilterPruning.Cli.Study;

/// <summary>
/// One measured point of the study, as it stands on one line of <c>docs/results/*.jsonl</c>. A figure is null where it was not measured or is not defined; the README
/// beside the files describes every field.
/// </summary>
internal sealed record StudyPoint
{
    /// <summary>The status of a point that was measured. Any other status is a sentence that says why it was not.</summary>
    public const string Measured = "measured";

    // The key.
    public required string Dataset { get; init; }

    public required string Model { get; init; }

    public required string Checkpoint { get; init; }

    public required string Criterion { get; init; }

    public required string Scope { get; init; }

    public required string Layers { get; init; }

    public required double? Ratio { get; init; }

    public required string? Target { get; init; }

    public required string Repair { get; init; }

    public required bool FineTuned { get; init; }

    /// <summary>Length of the fine-tuning as a share of the original training.</summary>
    public double? Budget { get; init; }

    public required int Seed { get; init; }

    public required string Status { get; init; }

    /// <summary>What a reader has to know of this line; null for nothing.</summary>
    public string? Note { get; init; }

    // Accuracy, 0 … 1.
    public double? MaskAP { get; init; }

    public double? MaskAP50 { get; init; }

    public double? MaskAP75 { get; init; }

    public double? MaskAPSmall { get; init; }

    public double? MaskAPMedium { get; init; }

    public double? MaskAPLarge { get; init; }

    public double? BoxAP { get; init; }

    public double? BoxAP50 { get; init; }

    public double? BoxAP75 { get; init; }

    public double? BoxAPSmall { get; init; }

    public double? BoxAPMedium { get; init; }

    public double? BoxAPLarge { get; init; }

    public double? IouAt50 { get; init; }

    public double? MatchRate { get; init; }

    public double? MaskAP50Low { get; init; }

    public double? MaskAP50High { get; init; }

    public double? IouAt50Low { get; init; }

    public double? IouAt50High { get; init; }

    /// <summary>Detections on all test images, of any score.</summary>
    public int? Detections { get; init; }

    // Size and work.
    public long? Parameters { get; init; }

    public long? ParametersDense { get; init; }

    public long? Macs { get; init; }

    public long? MacsDense { get; init; }

    /// <summary>Height and width, in pixels, of the network's input that MACs and latencies are of.</summary>
    public IReadOnlyList<int>? InputSize { get; init; }

    public long? FileBytes { get; init; }

    public long? FileBytesDense { get; init; }

    /// <summary>Dense parameters / parameters.</summary>
    public double? Compression { get; init; }

    /// <summary>Filters of all layers that have any, before the cut.</summary>
    public int? Filters { get; init; }

    public int? FiltersRemoved { get; init; }

    // Time and memory.
    public double? LatencyP50 { get; init; }

    public double? LatencyP95 { get; init; }

    public double? DenseLatencyP50 { get; init; }

    public double? DenseLatencyP95 { get; init; }

    public long? PeakMemoryBytes { get; init; }

    public int Images { get; init; }

    public required int EvalImages { get; init; }

    public required int EvalSize { get; init; }

    public StudySeconds Seconds { get; init; } = new();

    public double? ProofError { get; init; }

    public string? Version { get; init; }

    public string? Torch { get; init; }

    public int? Threads { get; init; }

    public string? Machine { get; init; }

    [JsonIgnore]
    public StudyKey Key => new(Dataset, Model, Checkpoint, Criterion, Scope, Layers, Ratio, Target, Repair, Images, FineTuned, Seed, EvalImages, EvalSize, Budget);

    /// <summary>A point of which nothing is known yet.</summary>
    public static StudyPoint Of(StudyKey key) => new()
    {
        Dataset = key.Dataset,
        Model = key.Model,
        Checkpoint = key.Checkpoint,
        Criterion = key.Criterion,
        Scope = key.Scope,
        Layers = key.Layers,
        Ratio = key.Ratio,
        Target = key.Target,
        Repair = key.Repair,
        Images = key.Images,
        FineTuned = key.FineTuned,
        Seed = key.Seed,
        EvalImages = key.EvalImages,
        EvalSize = key.EvalSize,
        Budget = key.Budget,
        Status = "Not measured yet.",
    };

    /// <summary>The point with an evaluation's figures.</summary>
    public StudyPoint With(EvaluationResult result) => this with
    {
        MaskAP = Figure(result.Mask.AP),
        MaskAP50 = Figure(result.Mask.AP50),
        MaskAP75 = Figure(result.Mask.AP75),
        MaskAPSmall = Figure(result.Mask.APsmall),
        MaskAPMedium = Figure(result.Mask.APmedium),
        MaskAPLarge = Figure(result.Mask.APlarge),
        BoxAP = Figure(result.Box.AP),
        BoxAP50 = Figure(result.Box.AP50),
        BoxAP75 = Figure(result.Box.AP75),
        BoxAPSmall = Figure(result.Box.APsmall),
        BoxAPMedium = Figure(result.Box.APmedium),
        BoxAPLarge = Figure(result.Box.APlarge),
        IouAt50 = Figure(result.IouAt50),
        MatchRate = Figure(result.MatchRate),
        MaskAP50Low = Figure(result.Intervals?.MaskAP50?.Low),
        MaskAP50High = Figure(result.Intervals?.MaskAP50?.High),
        IouAt50Low = Figure(result.Intervals?.IouAt50?.Low),
        IouAt50High = Figure(result.Intervals?.IouAt50?.High),
        Detections = result.Detections,
    };

    /// <summary>One JSON object without line breaks.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, StudyJson.Readable.StudyPoint);

    /// <summary>Reads a line; fields that are not known are passed over.</summary>
    /// <exception cref="JsonException">It is no point.</exception>
    public static StudyPoint FromJson(ReadOnlySpan<byte> json) =>
        JsonSerializer.Deserialize(json, StudyJson.Readable.StudyPoint) ?? throw new JsonException("The line holds 'null'.");

    // COCO's −1 says that there was nothing to measure. Six digits are more than any number of test images carries.
    private static double? Figure(double? value) => value is >= 0 ? Math.Round(value.Value, 6) : null;
}

/// <summary>Seconds that the steps of a point took; null for a step that it did not have.</summary>
internal sealed record StudySeconds
{
    /// <summary>Collecting what the dense model's layers read on all photos: once for a run, written down with every point that used it, and not part of <see cref="Repair"/>.</summary>
    public double? Collect { get; init; }

    /// <summary>Preparing the criterion and scoring all filters: once for all plans of a criterion, and written down with every one of them.</summary>
    public double? Score { get; init; }

    /// <summary>Choosing from the scores; a raw point and its repaired sister share the plan and its seconds.</summary>
    public double? Plan { get; init; }

    public double? Repair { get; init; }

    public double? Cut { get; init; }

    public double? Prove { get; init; }

    public double? Treat { get; init; }

    public double? Evaluate { get; init; }

    public double? Latency { get; init; }

    /// <summary>The whole point, putting the model back included.</summary>
    public double? Total { get; init; }
}

[JsonSerializable(typeof(StudyPoint))]
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
internal sealed partial class StudyJson : JsonSerializerContext
{
    /// <summary>With characters of other scripts as they are: the files are read by people too.</summary>
    public static StudyJson Readable { get; } = new(new JsonSerializerOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, PropertyNamingPolicy = JsonNamingPolicy.CamelCase, RespectNullableAnnotations = true });
}
