using System.Text.Json;
using System.Text.Json.Serialization;

namespace FilterPruning.Detection.Models;

/// <summary>What is needed to build a detector before its weights are read: kept as JSON in a checkpoint's metadata.</summary>
/// <remarks>Immutable data. Equal descriptions build equal architectures.</remarks>
public sealed record DetectorDescription
{
    /// <summary>A name that <see cref="MaskRcnn.Create"/> knows, for instance <c>maskrcnn_resnet50_fpn</c>.</summary>
    public required string Model { get; init; }

    /// <summary>The class names without the background; label i is <c>ClassNames[i - 1]</c>.</summary>
    public required IReadOnlyList<string> ClassNames { get; init; }

    /// <summary>The model's options.</summary>
    public MaskRcnnOptions Options { get; init; } = new();

    /// <summary>Where the weights come from, in words: data, command, seed. May be empty.</summary>
    public string Origin { get; init; } = "";

    /// <summary>The images it was trained on, where its data set had no parts of its own; null otherwise.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public TrainingSplit? Split { get; init; }

    /// <summary>The number of classes with the background.</summary>
    [JsonIgnore]
    public int NumClasses => ClassNames.Count + 1;

    /// <summary>Builds the detector with initial weights; the caller owns it.</summary>
    /// <exception cref="ArgumentException">The model's name is unknown or an option is out of range.</exception>
    public MaskRcnnModel Create() => MaskRcnn.Create(Model, NumClasses, Options);

    /// <summary>The description as JSON.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, DescriptionJson.Default.DetectorDescription);

    /// <summary>Reads a description.</summary>
    /// <exception cref="PruningException">The text is no description; the message says what is wrong.</exception>
    public static DetectorDescription FromJson(string json)
    {
        ArgumentNullException.ThrowIfNull(json);
        try
        {
            return JsonSerializer.Deserialize(json, DescriptionJson.Default.DetectorDescription)
                ?? throw new PruningException("The detector's description is empty ('null').");
        }
        catch (JsonException error)
        {
            throw new PruningException($"The detector's description cannot be read: {error.Message}", error);
        }
    }
}

[JsonSerializable(typeof(DetectorDescription))]
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    UseStringEnumConverter = true,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow)]
internal sealed partial class DescriptionJson : JsonSerializerContext;
