using System.Text.Json;
using System.Text.Json.Serialization;

namespace FilterPruning.Detection.Data;

/// <summary>
/// The <c>segmentation</c> of an annotation or a result, in one of COCO's three forms: polygons <c>[[x, y, …], …]</c>, or runs
/// <c>{"size": [height, width], "counts": …}</c> as numbers or as compressed text.
/// </summary>
[JsonConverter(typeof(CocoSegmentationConverter))]
internal sealed record CocoSegmentation
{
    /// <summary>Polygons; those with fewer than three points are left out on reading: they hold no pixel.</summary>
    public IReadOnlyList<double[]>? Polygons { get; init; }

    public uint[]? Counts { get; init; }

    public string? Text { get; init; }

    /// <summary>Of runs.</summary>
    public int Height { get; init; }

    /// <summary>Of runs.</summary>
    public int Width { get; init; }

    /// <summary>Whether there is nothing to make a mask of.</summary>
    public bool IsEmpty => Polygons is { Count: 0 };

    /// <summary>The mask, on an image of the given size.</summary>
    /// <exception cref="ArgumentException">The polygons or runs are malformed, or the runs belong to another size.</exception>
    public RleMask ToMask(int height, int width)
    {
        if (Polygons is not null)
            return Polygons.Count == 0 ? RleMask.Empty(height, width) : RleMask.FromPolygons(Polygons, height, width);
        if ((Height, Width) != (height, width))
            throw new ArgumentException($"its runs are for an image of {Height} × {Width}, but the image is {height} × {width} (height × width)");
        return Text is not null ? RleMask.FromCocoString(Text, height, width) : new RleMask(height, width, Counts!);
    }
}

internal sealed class CocoSegmentationConverter : JsonConverter<CocoSegmentation>
{
    public override CocoSegmentation Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => reader.TokenType switch
    {
        JsonTokenType.StartArray => ReadPolygons(ref reader),
        JsonTokenType.StartObject => ReadRuns(ref reader),
        _ => throw new JsonException("A segmentation must be a list of polygons or an object with size and counts."),
    };

    public override void Write(Utf8JsonWriter writer, CocoSegmentation value, JsonSerializerOptions options)
    {
        if (value.Text is null)
            throw new NotSupportedException("Only compressed runs are written.");
        writer.WriteStartObject();
        writer.WriteStartArray("size");
        writer.WriteNumberValue(value.Height);
        writer.WriteNumberValue(value.Width);
        writer.WriteEndArray();
        writer.WriteString("counts", value.Text);
        writer.WriteEndObject();
    }

    private static CocoSegmentation ReadPolygons(ref Utf8JsonReader reader)
    {
        var polygons = new List<double[]>();
        while (Next(ref reader) != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.StartArray)
                throw new JsonException("A segmentation's polygons must each be a list of numbers x, y, x, y, …");
            var values = new List<double>();
            while (Next(ref reader) != JsonTokenType.EndArray)
                values.Add(reader.TokenType == JsonTokenType.Number ? reader.GetDouble() : throw new JsonException("A polygon must hold numbers only."));
            if (values.Count % 2 != 0)
                throw new JsonException($"A polygon must hold pairs x, y, but one has {values.Count} values.");
            if (values.Count >= 6)
                polygons.Add([.. values]);
        }

        return new CocoSegmentation { Polygons = polygons };
    }

    private static CocoSegmentation ReadRuns(ref Utf8JsonReader reader)
    {
        uint[]? counts = null, size = null;
        string? text = null;
        while (Next(ref reader) != JsonTokenType.EndObject)
        {
            var name = reader.GetString();
            Next(ref reader);
            if (name == "size")
                size = ReadNumbers(ref reader);
            else if (name == "counts" && reader.TokenType == JsonTokenType.String)
                text = reader.GetString();
            else if (name == "counts")
                counts = ReadNumbers(ref reader);
            else
                reader.Skip();
        }

        if (size is not [<= RleMask.MaximumSide, <= RleMask.MaximumSide] || (counts is null) == (text is null))
            throw new JsonException($"Runs need \"size\": [height, width] with sides up to {RleMask.MaximumSide} and \"counts\" as a list of numbers or as text.");
        return new CocoSegmentation { Height = (int)size[0], Width = (int)size[1], Counts = counts, Text = text };
    }

    private static uint[] ReadNumbers(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartArray)
            throw new JsonException("The size and the counts of runs must be lists of numbers.");
        var values = new List<uint>();
        while (Next(ref reader) != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetUInt32(out var value))
                throw new JsonException("Sizes and counts must be whole numbers, not negative, below 2³².");
            values.Add(value);
        }

        return [.. values];
    }

    private static JsonTokenType Next(ref Utf8JsonReader reader) => reader.Read() ? reader.TokenType : throw new JsonException("The json ends inside a segmentation.");
}
