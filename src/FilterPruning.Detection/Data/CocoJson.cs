using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace FilterPruning.Detection.Data;

/// <summary>A COCO annotation file as it is written; what is not named here is skipped.</summary>
internal sealed record CocoFile
{
    [JsonPropertyName("images")]
    public required List<CocoImage> Images { get; init; }

    [JsonPropertyName("annotations")]
    public required List<CocoAnnotation> Annotations { get; init; }

    [JsonPropertyName("categories")]
    public required List<CocoCategory> Categories { get; init; }
}

internal sealed record CocoImage
{
    [JsonPropertyName("id")]
    public required long Id { get; init; }

    [JsonPropertyName("file_name")]
    public string? FileName { get; init; }

    [JsonPropertyName("height")]
    public required int Height { get; init; }

    [JsonPropertyName("width")]
    public required int Width { get; init; }
}

internal sealed record CocoCategory
{
    [JsonPropertyName("id")]
    public required int Id { get; init; }

    [JsonPropertyName("name")]
    public required string Name { get; init; }
}

internal sealed record CocoAnnotation
{
    [JsonPropertyName("id")]
    public long Id { get; init; }

    [JsonPropertyName("image_id")]
    public required long ImageId { get; init; }

    [JsonPropertyName("category_id")]
    public required int CategoryId { get; init; }

    /// <summary>x, y, width, height.</summary>
    [JsonPropertyName("bbox")]
    public double[]? Box { get; init; }

    [JsonPropertyName("area")]
    public double? Area { get; init; }

    [JsonPropertyName("iscrowd")]
    public int IsCrowd { get; init; }

    [JsonPropertyName("segmentation")]
    public CocoSegmentation? Segmentation { get; init; }
}

/// <summary>One entry of a results file.</summary>
internal sealed record CocoResult
{
    [JsonPropertyName("image_id")]
    public required long ImageId { get; init; }

    [JsonPropertyName("category_id")]
    public required int CategoryId { get; init; }

    /// <summary>x, y, width, height.</summary>
    [JsonPropertyName("bbox")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double[]? Box { get; init; }

    [JsonPropertyName("segmentation")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public CocoSegmentation? Segmentation { get; init; }

    [JsonPropertyName("score")]
    public required double Score { get; init; }
}

[JsonSourceGenerationOptions(RespectNullableAnnotations = true)]
[JsonSerializable(typeof(CocoFile))]
[JsonSerializable(typeof(List<CocoResult>))]
internal sealed partial class CocoJson : JsonSerializerContext
{
    /// <summary>Reads a file as a stream; every failure is a <see cref="DatasetException"/> with the file's name and the place in it.</summary>
    public static T Read<T>(string path, JsonTypeInfo<T> type, CocoLimits limits)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        if (!File.Exists(path))
            throw new DatasetException($"There is no file '{path}'. Give the path of a COCO json file.");
        try
        {
            // Named pipes and devices have the length 0; opening one may never end.
            var length = new FileInfo(path).Length;
            if (length > limits.FileBytes)
                throw new DatasetException($"'{path}' has {length} bytes; the limit is {limits.FileBytes}. Raise {nameof(CocoLimits)}.{nameof(CocoLimits.FileBytes)} if you trust the file.");
            using Stream stream = length == 0 ? Stream.Null : new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16, FileOptions.SequentialScan);
            return Read(stream, path, type);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new DatasetException($"'{path}' cannot be read: {error.Message}", error);
        }
    }

    /// <summary>Reads a stream; its name is for messages.</summary>
    public static T Read<T>(Stream stream, string path, JsonTypeInfo<T> type)
    {
        try
        {
            return JsonSerializer.Deserialize(stream, type) ?? throw new DatasetException($"'{path}' holds nothing but null; COCO json is needed.");
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            // Half a surrogate pair is an InvalidOperationException.
            throw new DatasetException($"'{path}' is not the COCO json it should be: {error.Message}", error);
        }
    }
}
