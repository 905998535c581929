using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace FilterPruning.Detection.Models;

/// <summary>What is needed to build a detector before its weights are read: kept as JSON in a checkpoint's metadata.</summary>
/// <remarks>Immutable data. Equal descriptions build equal architectures.</remarks>
public sealed record DetectorDescription
{
    /// <summary>
    /// The most weights of a detector whose description comes from a file: 500,000,000, about eight times a ResNet-101's. The detector is built before its weights are
    /// read, so a few characters could ask for any memory.
    /// </summary>
    public const long MaximumParameters = 500_000_000;

    private const int MaximumText = 64 << 20, MaximumClasses = 10_000, MaximumName = 1_000, MaximumList = 1_000;

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
    /// <exception cref="PruningException">
    /// The text is no description, or asks for a detector of more than <see cref="MaximumParameters"/> weights, 10,000 classes, or 1,000 characters in a name; the message says what is wrong.
    /// </exception>
    public static DetectorDescription FromJson(string json)
    {
        ArgumentNullException.ThrowIfNull(json);
        Require(json.Length <= MaximumText, $"it has {json.Length} characters; at most {MaximumText} are taken");
        try
        {
            var description = WithDefaults(json)?.Deserialize(DescriptionJson.Default.DetectorDescription)
                ?? throw new PruningException("The detector's description is empty ('null').");
            description.ToJson(); // what cannot be written, a list without a value or an infinite number, is no description
            description.CheckSizes();
            return description;
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or ArgumentException)
        {
            throw new PruningException($"The detector's description cannot be read: {error.Message}", error);
        }
    }

    // What a file leaves out, options that came with a later version for instance, has its default. The serializer would make it null or zero.
    private static JsonNode? WithDefaults(string json)
    {
        var description = JsonNode.Parse(json, null, new JsonDocumentOptions { AllowDuplicateProperties = false });
        if (description is not JsonObject members)
            return description;
        members.TryAdd("origin", "");
        members.TryAdd("options", new JsonObject());
        if (members["options"] is not JsonObject options)
            return description;
        var defaults = JsonSerializer.SerializeToNode(new MaskRcnnOptions(), DescriptionJson.Default.MaskRcnnOptions)!.AsObject();
        foreach (var (name, value) in defaults)
        {
            if (!options.ContainsKey(name))
                options.Add(name, value?.DeepClone());
        }

        return description;
    }

    private void CheckSizes()
    {
        Require(Model.Length <= MaximumName, $"the model's name has {Model.Length} characters; at most {MaximumName} are taken");
        Require(ClassNames.Count <= MaximumClasses, $"it has {ClassNames.Count} classes; at most {MaximumClasses} are taken");
        Require(ClassNames.All(name => name?.Length <= MaximumName), $"a class name is missing or has more than {MaximumName} characters");
        var o = Options;
        Require(o.AnchorSizes.All(level => level is not null), "a level of the anchors' sizes is null");
        Require(
            o.AnchorSizes.All(level => level.Count <= MaximumList) && Math.Max(o.AspectRatios.Count, o.TrainMinSizes.Count) <= MaximumList,
            $"a list of its options has more than {MaximumList} numbers");
        var weights = EstimatedParameters();
        Require(weights <= MaximumParameters, FormattableString.Invariant($"the detector would have about {weights:0} weights; at most {MaximumParameters} are taken"));
    }

    // To within a factor of two, and in floating point: the numbers may be anything.
    private double EstimatedParameters()
    {
        var o = Options;
        double backbone = o.BackboneWidth, pyramid = o.FpnChannels, box = o.RepresentationSize, mask = o.MaskChannels, reduced = o.MaskReducedChannels, classes = NumClasses;
        double anchors = o.AnchorSizes.Sum(level => (double)level.Count) * o.AspectRatios.Count;
        double Abs(double value) => Math.Abs(value);
        return (11_000 * backbone * backbone) + (60 * Abs(backbone * pyramid)) + (45 * pyramid * pyramid) + (5 * Abs(anchors * pyramid))
            + (49 * Abs(pyramid * box)) + (box * box) + (5 * Abs(classes * box))
            + (9 * Abs(pyramid * mask)) + (9 * Abs(o.MaskLayers) * mask * mask) + (4 * Abs(mask * reduced)) + Abs(classes * reduced);
    }

    private static void Require(bool holds, string otherwise)
    {
        if (!holds)
            throw new PruningException($"The detector's description cannot be used: {otherwise}. Give a file that this library wrote.");
    }
}

[JsonSerializable(typeof(DetectorDescription))]
[JsonSerializable(typeof(MaskRcnnOptions))]
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    UseStringEnumConverter = true,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    RespectNullableAnnotations = true)]
internal sealed partial class DescriptionJson : JsonSerializerContext;
