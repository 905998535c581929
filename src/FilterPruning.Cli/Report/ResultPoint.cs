using System.Globalization;
using System.Text.Json;

namespace FilterPruning.Cli.Report;

/// <summary>One measured point of the study: one line of a results file. A figure that is null was not measured or is not defined there.</summary>
internal sealed record ResultPoint
{
    /// <summary>The status of a point that was measured; any other status is a sentence that says why it was not.</summary>
    public const string Measured = "measured";

    /// <summary>The repair of a point that was only cut.</summary>
    public const string NoRepair = "none";

    public required PointKey Key { get; init; }

    public required string Status { get; init; }

    /// <summary>What a reader has to know of the point; null for nothing.</summary>
    public string? Note { get; init; }

    public double? MaskAP { get; init; }

    public double? MaskAP50 { get; init; }

    public double? MaskAP75 { get; init; }

    public double? MaskAPSmall { get; init; }

    public double? MaskAPMedium { get; init; }

    public double? MaskAPLarge { get; init; }

    public double? BoxAP { get; init; }

    public double? BoxAP50 { get; init; }

    public double? BoxAP75 { get; init; }

    public double? IouAt50 { get; init; }

    public double? MatchRate { get; init; }

    public double? MaskAP50Low { get; init; }

    public double? MaskAP50High { get; init; }

    public double? IouAt50Low { get; init; }

    public double? IouAt50High { get; init; }

    public double? Parameters { get; init; }

    public double? ParametersDense { get; init; }

    public double? Macs { get; init; }

    public double? MacsDense { get; init; }

    /// <summary>Height and width that MACs and latencies are of; empty when unknown.</summary>
    public IReadOnlyList<int> InputSize { get; init; } = [];

    public double? FileBytes { get; init; }

    public double? FileBytesDense { get; init; }

    public double? RecordedCompression { get; init; }

    public double? Filters { get; init; }

    public double? FiltersRemoved { get; init; }

    public double? LatencyP50 { get; init; }

    public double? LatencyP95 { get; init; }

    public double? DenseLatencyP50 { get; init; }

    public double? DenseLatencyP95 { get; init; }

    public double? PeakMemoryBytes { get; init; }

    public double? ProofError { get; init; }

    /// <summary>Seconds by step: score, plan, repair, cut, prove, treat (fine-tuning), evaluate.</summary>
    public IReadOnlyDictionary<string, double> Seconds { get; init; } = new Dictionary<string, double>();

    public string? Version { get; init; }

    public string? Torch { get; init; }

    public string? Threads { get; init; }

    public string? Machine { get; init; }

    public bool IsMeasured => Status == Measured;

    /// <summary>Cut, and nothing else. A model of the same shape that was trained from scratch is not raw.</summary>
    public bool IsRaw => Key is { Repair: NoRepair, FineTuned: false, Variant: null };

    /// <summary>The unpruned model: nothing was asked to go, nothing repaired, nothing trained.</summary>
    public bool IsDense => Key is { Ratio: 0.0, Target: null, Repair: NoRepair, FineTuned: false, Variant: null or "dense" };

    /// <summary>Original size over new size, in parameters.</summary>
    public double? Compression => ParametersDense / Parameters ?? RecordedCompression;

    public double? MacsShare => Macs / MacsDense;

    /// <summary>Original MACs over new MACs.</summary>
    public double? TheoreticalSpeedup => MacsDense / Macs;

    /// <summary>The dense model's median latency in the same run over this model's.</summary>
    public double? MeasuredSpeedup => DenseLatencyP50 / LatencyP50;

    public double? FilterShare => FiltersRemoved / Filters;

    /// <summary>Reads one line's object. Unknown fields are passed over.</summary>
    /// <exception cref="FormatException">A field that names the point is missing, or a field has the wrong kind.</exception>
    public static ResultPoint Parse(JsonElement json)
    {
        var fields = new Fields(json);
        return new ResultPoint
        {
            Key = new PointKey(
                fields.Text("dataset"), fields.Text("model"), fields.TextOrNull("checkpoint") ?? "", fields.Text("criterion"), fields.Text("scope"), fields.Text("layers"),
                fields.Number("ratio") is { } ratio ? Math.Round(ratio, 6) : null, fields.TextOrNull("target"), fields.Text("repair"), fields.Integer("images"), fields.Flag("fineTuned"), fields.Integer("seed") ?? 0,
                fields.Integer("evalImages"), fields.Integer("evalSize"), fields.TextOrNull("variant"), fields.Number("budget")),
            Status = fields.TextOrNull("status") ?? Measured,
            Note = fields.TextOrNull("note"),
            MaskAP = fields.Accuracy("maskAP"),
            MaskAP50 = fields.Accuracy("maskAP50"),
            MaskAP75 = fields.Accuracy("maskAP75"),
            MaskAPSmall = fields.Accuracy("maskAPSmall"),
            MaskAPMedium = fields.Accuracy("maskAPMedium"),
            MaskAPLarge = fields.Accuracy("maskAPLarge"),
            BoxAP = fields.Accuracy("boxAP"),
            BoxAP50 = fields.Accuracy("boxAP50"),
            BoxAP75 = fields.Accuracy("boxAP75"),
            IouAt50 = fields.Accuracy("iouAt50"),
            MatchRate = fields.Accuracy("matchRate"),
            MaskAP50Low = fields.Accuracy("maskAP50Low"),
            MaskAP50High = fields.Accuracy("maskAP50High"),
            IouAt50Low = fields.Accuracy("iouAt50Low"),
            IouAt50High = fields.Accuracy("iouAt50High"),
            Parameters = fields.Number("parameters"),
            ParametersDense = fields.Number("parametersDense"),
            Macs = fields.Number("macs"),
            MacsDense = fields.Number("macsDense"),
            InputSize = fields.Sizes("inputSize"),
            FileBytes = fields.Number("fileBytes"),
            FileBytesDense = fields.Number("fileBytesDense"),
            RecordedCompression = fields.Number("compression"),
            Filters = fields.Number("filters"),
            FiltersRemoved = fields.Number("filtersRemoved"),
            LatencyP50 = fields.Number("latencyP50"),
            LatencyP95 = fields.Number("latencyP95"),
            DenseLatencyP50 = fields.Number("denseLatencyP50"),
            DenseLatencyP95 = fields.Number("denseLatencyP95"),
            PeakMemoryBytes = fields.Number("peakMemoryBytes"),
            ProofError = fields.Number("proofError"),
            Seconds = fields.Numbers("seconds"),
            Version = fields.Anything("version"),
            Torch = fields.Anything("torch"),
            Threads = fields.Anything("threads"),
            Machine = fields.Anything("machine"),
        };
    }

    /// <summary>Typed access to an object's fields, with errors that name the field and what it holds.</summary>
    private readonly struct Fields(JsonElement json)
    {
        public string Text(string name) => TextOrNull(name) ?? throw new FormatException($"the field \"{name}\" is missing; it must be a text.");

        public string? TextOrNull(string name) => Find(name) switch
        {
            null => null,
            { ValueKind: JsonValueKind.String } text => text.GetString(),
            { } other => throw Wrong(name, other, "a text"),
        };

        public double? Number(string name) => Find(name) switch
        {
            null => null,
            { ValueKind: JsonValueKind.Number } number => number.GetDouble(),
            { } other => throw Wrong(name, other, "a number or null"),
        };

        public int? Integer(string name) => Find(name) switch
        {
            null => null,
            { ValueKind: JsonValueKind.Number } number when number.TryGetInt32(out var value) => value,
            { } other => throw Wrong(name, other, "a whole number or null"),
        };

        // COCO's figures are -1 where they are not defined.
        public double? Accuracy(string name) => Number(name) is { } value && value >= 0 ? value : null;

        public bool Flag(string name) => Find(name) switch
        {
            null or { ValueKind: JsonValueKind.False } => false,
            { ValueKind: JsonValueKind.True } => true,
            { } other => throw Wrong(name, other, "true or false"),
        };

        public string? Anything(string name) => Find(name)?.ToString();

        public IReadOnlyList<int> Sizes(string name) => Find(name) switch
        {
            null => [],
            { ValueKind: JsonValueKind.Array } sides => [.. sides.EnumerateArray().Select(side => side.TryGetInt32(out var value) ? value : throw Wrong(name, sides, "whole numbers"))],
            { } other => throw Wrong(name, other, "a list of whole numbers or null"),
        };

        public Dictionary<string, double> Numbers(string name) => Find(name) switch
        {
            null => [],
            { ValueKind: JsonValueKind.Object } steps => steps.EnumerateObject().Where(step => step.Value.ValueKind == JsonValueKind.Number).ToDictionary(step => step.Name, step => step.Value.GetDouble(), StringComparer.Ordinal),
            { } other => throw Wrong(name, other, "an object of numbers or null"),
        };

        private JsonElement? Find(string name) => json.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

        private static FormatException Wrong(string name, JsonElement value, string allowed) =>
            new(string.Create(CultureInfo.InvariantCulture, $"the field \"{name}\" is {value.GetRawText()}; it must be {allowed}."));
    }
}
