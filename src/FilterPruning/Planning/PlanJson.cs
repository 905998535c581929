using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace FilterPruning.Planning;

/// <summary>
/// The JSON form of a plan, version 1; docs/schemas/pruning-plan.schema.json describes it. Strict both ways: nothing missing, nothing twice, and nothing unknown but in files of a later minor version, where unknown
/// fields are passed over: a minor version only adds what a reader may do without.
/// </summary>
internal static class PlanJson
{
    /// <summary>A plan for a model of a thousand layers with a thousand channels each has some five million characters.</summary>
    private const int MaximumLength = 64 << 20;

    public const int MinorVersion = 0;

    public static string Write(PruningPlan plan)
    {
        var document = new PlanDocument(
            PruningPlan.CurrentVersion, plan.Settings, plan.Before, plan.Predicted, plan.TotalGroups, plan.RemovedGroups,
            [.. plan.Layers.Select(layer => new LayerDocument(
                layer.Name, layer.Kind, layer.InputChannels, layer.RemovedInputs, layer.OutputChannels, layer.RemovedOutputs, layer.Scores, layer.Skipped))]);
        return JsonSerializer.Serialize(document, PlanJsonContext.Strict.PlanDocument);
    }

    public static PruningPlan Read(string json)
    {
        try
        {
            var document = JsonSerializer.Deserialize(json, ContextFor(json).PlanDocument)
                ?? throw new PruningException("The text is not a pruning plan: it is null.");
            var layers = document.Layers.Select(layer => layer is null
                ? throw new PruningException("The text is not a pruning plan: a layer is null.")
                : new LayerPlan(layer.Name, layer.Kind, layer.InputChannels, layer.RemovedInputs, layer.OutputChannels, layer.RemovedOutputs, layer.Scores, layer.Skipped));
            return new PruningPlan(document.Settings, document.Before, document.Predicted, document.TotalGroups, document.RemovedGroups, [.. layers]);
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or ArgumentException)
        {
            // Half a surrogate pair is no JsonException.
            throw new PruningException($"The text is not a pruning plan of version {PruningPlan.CurrentVersion}: {error.Message}", error);
        }
    }

    /// <summary>Reads what a plan says about layers and channels; everything else may be left out.</summary>
    public static PlanOutline ReadOutline(string json)
    {
        try
        {
            return JsonSerializer.Deserialize(json, ContextFor(json).PlanOutline) ?? throw new PruningException("The text is not a pruning plan: it is null.");
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or ArgumentException)
        {
            throw new PruningException($"The text is not a pruning plan of version {PruningPlan.CurrentVersion}, nor an outline of one: {error.Message}", error);
        }
    }

    /// <summary>A plan of another version may look different throughout, so that its version is what the message should be about.</summary>
    private static PlanJsonContext ContextFor(string json)
    {
        if (json.Length > MaximumLength)
            throw new PruningException($"The text is no pruning plan: it has {json.Length} characters, and at most {MaximumLength} are taken.");
        using var document = JsonDocument.Parse(json);
        if (document.RootElement.ValueKind != JsonValueKind.Object || !document.RootElement.TryGetProperty("version", out var version))
            throw new PruningException("The text is not a pruning plan: it is no JSON object with a \"version\".");
        if (version.ValueKind != JsonValueKind.Number || !version.TryGetInt32(out var number) || number < 1)
            throw new PruningException($"The pruning plan has version {version.GetRawText()}; this library reads version {PruningPlan.CurrentVersion}. Write it as a whole number.");
        if (number != PruningPlan.CurrentVersion)
            throw new PlanVersionException(number, $"The pruning plan has version {number}; this library reads version {PruningPlan.CurrentVersion}. Use the library version that wrote it.");
        var minor = 0;
        if (document.RootElement.TryGetProperty("minorVersion", out var given) && (given.ValueKind != JsonValueKind.Number || !given.TryGetInt32(out minor) || minor < 0))
            throw new PruningException($"The pruning plan has the minor version {given.GetRawText()}; allowed is a whole number from 0.");
        return minor > MinorVersion ? PlanJsonContext.Lenient : PlanJsonContext.Strict;
    }
}

internal sealed record PlanDocument(
    int Version, PlanSettings Settings, Cost Before, Cost Predicted, int TotalGroups, int RemovedGroups, IReadOnlyList<LayerDocument> Layers)
{
    /// <summary>Where the schema is; for editors.</summary>
    [JsonPropertyName("$schema")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Schema { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public int MinorVersion { get; init; }

    /// <summary>Anything, for whoever writes plans; never read.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public JsonElement? Annotations { get; init; }
}

internal sealed record LayerDocument(
    string Name, string Kind, int InputChannels, IReadOnlyList<int> RemovedInputs, int OutputChannels, IReadOnlyList<int> RemovedOutputs, ScoreRange? Scores, string? Skipped);

/// <summary>A plan of which only layers and channels are needed; what is left out is null.</summary>
internal sealed record PlanOutline(int Version, IReadOnlyList<LayerOutline> Layers)
{
    [JsonPropertyName("$schema")]
    public string? Schema { get; init; }

    public int MinorVersion { get; init; }

    public JsonElement? Annotations { get; init; }

    public PlanSettings? Settings { get; init; }

    public Cost? Before { get; init; }

    public Cost? Predicted { get; init; }

    public int? TotalGroups { get; init; }

    public int? RemovedGroups { get; init; }
}

/// <summary>What an outline says about one layer; what is left out is null.</summary>
internal sealed record LayerOutline(string Name)
{
    public string? Kind { get; init; }

    public int? InputChannels { get; init; }

    public IReadOnlyList<int>? RemovedInputs { get; init; }

    public int? OutputChannels { get; init; }

    public IReadOnlyList<int>? RemovedOutputs { get; init; }

    public ScoreRange? Scores { get; init; }

    public string? Skipped { get; init; }
}

[JsonSourceGenerationOptions(GenerationMode = JsonSourceGenerationMode.Metadata)]
[JsonSerializable(typeof(PlanDocument))]
[JsonSerializable(typeof(PlanOutline))]
internal sealed partial class PlanJsonContext : JsonSerializerContext
{
    public static PlanJsonContext Strict { get; } = new(With(JsonUnmappedMemberHandling.Disallow));

    /// <summary>For files of a later minor version.</summary>
    public static PlanJsonContext Lenient { get; } = new(With(JsonUnmappedMemberHandling.Skip));

    private static JsonSerializerOptions With(JsonUnmappedMemberHandling unknown) => new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        WriteIndented = true,
        NewLine = "\n",
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,  // the text goes into files, never into a web page
        UnmappedMemberHandling = unknown,
        AllowDuplicateProperties = false,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        Converters = { new IndexListConverter(), new JsonStringEnumConverter<PruningScope>(null, false), new JsonStringEnumConverter<ScoreNormalization>(null, false), new JsonStringEnumConverter<GroupReduction>(null, false) },
    };
}

/// <summary>Writes a list of indices on one line: a layer of two thousand channels stays readable, and a difference shows as one line.</summary>
internal sealed class IndexListConverter : JsonConverter<IReadOnlyList<int>>
{
    public override IReadOnlyList<int> Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType != JsonTokenType.StartArray)
            throw new JsonException();
        var list = new List<int>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt32(out var index))
                throw new JsonException("A channel index must be a whole number.");
            list.Add(index);
        }

        return list.ToArray();
    }

    public override void Write(Utf8JsonWriter writer, IReadOnlyList<int> value, JsonSerializerOptions options)
    {
        var text = new StringBuilder("[");
        text.AppendJoin(',', value);
        writer.WriteRawValue(text.Append(']').ToString(), skipInputValidation: true);
    }
}
