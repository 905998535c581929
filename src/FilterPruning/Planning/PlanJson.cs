using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace FilterPruning.Planning;

/// <summary>The JSON form of a plan, version 1. Strict both ways: nothing unknown, nothing missing, nothing twice.</summary>
internal static class PlanJson
{
    /// <summary>A plan for a model of a thousand layers with a thousand channels each has some five million characters.</summary>
    private const int MaximumLength = 64 << 20;

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
        if (json.Length > MaximumLength)
            throw new PruningException($"The text is no pruning plan: it has {json.Length} characters, and at most {MaximumLength} are taken.");
        try
        {
            CheckVersion(json);
            var document = JsonSerializer.Deserialize(json, PlanJsonContext.Strict.PlanDocument)
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

    /// <summary>A plan of another version may look different throughout, so that its version is what the message should be about.</summary>
    private static void CheckVersion(string json)
    {
        using var document = JsonDocument.Parse(json);
        if (document.RootElement.ValueKind != JsonValueKind.Object || !document.RootElement.TryGetProperty("version", out var version))
            throw new PruningException("The text is not a pruning plan: it is no JSON object with a \"version\".");
        if (version.ValueKind != JsonValueKind.Number || !version.TryGetInt32(out var number) || number != PruningPlan.CurrentVersion)
        {
            throw new PruningException(
                $"The pruning plan has version {version.GetRawText()}; this library reads version {PruningPlan.CurrentVersion}. Use the library version that wrote it.");
        }
    }
}

internal sealed record PlanDocument(
    int Version, PlanSettings Settings, Cost Before, Cost Predicted, int TotalGroups, int RemovedGroups, IReadOnlyList<LayerDocument> Layers);

internal sealed record LayerDocument(
    string Name, string Kind, int InputChannels, IReadOnlyList<int> RemovedInputs, int OutputChannels, IReadOnlyList<int> RemovedOutputs, ScoreRange? Scores, string? Skipped);

[JsonSourceGenerationOptions(GenerationMode = JsonSourceGenerationMode.Metadata)]
[JsonSerializable(typeof(PlanDocument))]
internal sealed partial class PlanJsonContext : JsonSerializerContext
{
    public static PlanJsonContext Strict { get; } = new(new JsonSerializerOptions
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        WriteIndented = true,
        NewLine = "\n",
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,  // the text goes into files, never into a web page
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        AllowDuplicateProperties = false,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        Converters = { new IndexListConverter(), new JsonStringEnumConverter<PruningScope>(null, false), new JsonStringEnumConverter<ScoreNormalization>(null, false), new JsonStringEnumConverter<GroupReduction>(null, false) },
    });
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
