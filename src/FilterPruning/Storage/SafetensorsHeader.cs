using System.Text.Json;
using System.Text.Unicode;

namespace FilterPruning.Storage;

/// <summary>
/// The JSON header of a safetensors file, checked so that whatever it says can be trusted afterwards:
/// every tensor's bytes lie in the file, fit its shape, and together they cover the buffer once.
/// Format: https://huggingface.co/docs/safetensors/index#format.
/// </summary>
internal sealed class SafetensorsHeader
{
    /// <summary>The format's own limit on the header, in bytes.</summary>
    public const long MaximumLength = 100_000_000;

    public const string MetadataKey = "__metadata__";

    private const int MaximumRank = 64;

    private readonly string _path;
    private readonly long _bufferLength;
    private readonly SafetensorsLimits _limits;

    private SafetensorsHeader(string path, long bufferLength, SafetensorsLimits limits)
    {
        _path = path;
        _bufferLength = bufferLength;
        _limits = limits;
    }

    public OrderedDictionary<string, SafetensorsEntry> Entries { get; } = new(StringComparer.Ordinal);

    public Dictionary<string, string> Metadata { get; } = new(StringComparer.Ordinal);

    /// <summary>Parses and checks a header.</summary>
    /// <param name="json">The header's bytes, padding included.</param>
    /// <param name="bufferLength">The number of bytes behind the header.</param>
    /// <param name="path">The file, for messages.</param>
    /// <param name="limits">What is taken at most.</param>
    public static SafetensorsHeader Parse(ReadOnlySpan<byte> json, long bufferLength, string path, SafetensorsLimits limits)
    {
        var header = new SafetensorsHeader(path, bufferLength, limits);
        if (json.IsEmpty || json[0] != (byte)'{')
            throw header.Error(ModelFileErrorKind.HeaderStart, "the header must begin with '{'. This is not a safetensors file, or it is damaged.");
        if (!Utf8.IsValid(json))
            throw header.Error(ModelFileErrorKind.HeaderNotUtf8, "the header is not valid UTF-8. The file is damaged.");

        try
        {
            var reader = new Utf8JsonReader(json);
            reader.Read();
            header.ReadRoot(ref reader);
            reader.Read(); // the reader throws when anything but white space follows
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            // A lone surrogate escape (\ud800) is an InvalidOperationException of GetString.
            throw new ModelFileException(ModelFileErrorKind.HeaderNotJson, path, $"the header is not valid JSON: {error.Message} The file is damaged.", error);
        }

        header.CheckLayout();
        return header;
    }

    private void ReadRoot(ref Utf8JsonReader reader)
    {
        var sawMetadata = false;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = ReadName(ref reader);
            reader.Read();
            if (name == MetadataKey)
            {
                if (sawMetadata)
                    throw Duplicate(name);
                sawMetadata = true;
                ReadMetadata(ref reader);
            }
            else if (!Entries.TryAdd(name, ReadEntry(ref reader, name)))
            {
                throw Duplicate(name);
            }
            else if (Entries.Count > _limits.Tensors)
            {
                throw Limit($"the header has more than {_limits.Tensors} tensors", nameof(SafetensorsLimits.Tensors));
            }
        }
    }

    private void ReadMetadata(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
            throw Error(ModelFileErrorKind.InvalidMetadata, $"\"{MetadataKey}\" is {Word(reader.TokenType)}; it must be an object of strings.");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var key = ReadName(ref reader);
            reader.Read();
            if (reader.TokenType != JsonTokenType.String)
                throw Error(ModelFileErrorKind.InvalidMetadata, $"\"{MetadataKey}\".\"{key}\" is {Word(reader.TokenType)}; metadata values must be strings.");
            if (!Metadata.TryAdd(key, reader.GetString()!))
                throw Duplicate($"{MetadataKey}.{key}");
            if (Metadata.Count > _limits.MetadataEntries)
                throw Limit($"the header has more than {_limits.MetadataEntries} strings in \"{MetadataKey}\"", nameof(SafetensorsLimits.MetadataEntries));
        }
    }

    private string ReadName(ref Utf8JsonReader reader)
    {
        // Escapes only ever make a name shorter.
        var name = reader.ValueSpan.Length <= 12L * _limits.NameLength ? reader.GetString()! : null;
        return name?.Length <= _limits.NameLength ? name : throw Limit($"a name in the header has more than {_limits.NameLength} characters", nameof(SafetensorsLimits.NameLength));
    }

    private SafetensorsEntry ReadEntry(ref Utf8JsonReader reader, string name)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
            throw Error(ModelFileErrorKind.InvalidEntry, $"the entry of \"{name}\" is {Word(reader.TokenType)}; it must be an object with dtype, shape and data_offsets.");

        ScalarType? dtype = null;
        long[]? shape = null;
        long[]? offsets = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var field = ReadName(ref reader);
            reader.Read();
            switch (field)
            {
                case "dtype":
                    dtype = dtype is null ? ReadDType(ref reader, name) : throw Duplicate($"{name}.dtype");
                    break;
                case "shape":
                    shape = shape is null ? ReadShape(ref reader, name) : throw Duplicate($"{name}.shape");
                    break;
                case "data_offsets":
                    offsets = offsets is null ? ReadOffsets(ref reader, name) : throw Duplicate($"{name}.data_offsets");
                    break;
                default:
                    reader.Skip(); // like the reference reader: fields of a later version are passed over
                    break;
            }
        }

        if (dtype is null || shape is null || offsets is null)
        {
            var missing = string.Join(", ", new[] { dtype is null ? "dtype" : null, shape is null ? "shape" : null, offsets is null ? "data_offsets" : null }.OfType<string>());
            throw Error(ModelFileErrorKind.InvalidEntry, $"the entry of \"{name}\" lacks {missing}.");
        }

        return CheckEntry(name, new SafetensorsEntry(dtype.Value, Array.AsReadOnly(shape), offsets[0], offsets[1]));
    }

    private ScalarType ReadDType(ref Utf8JsonReader reader, string name)
    {
        var text = reader.TokenType == JsonTokenType.String ? reader.GetString()! : Word(reader.TokenType);
        if (reader.TokenType != JsonTokenType.String || !SafetensorsDTypes.TryParse(text, out var dtype))
            throw Error(ModelFileErrorKind.UnknownDType, $"\"{name}\" has dtype {text}; known are {SafetensorsDTypes.KnownNames}.");
        return dtype;
    }

    private long[] ReadShape(ref Utf8JsonReader reader, string name)
    {
        if (!TryReadWholeNumbers(ref reader, MaximumRank, out var shape))
            throw Error(ModelFileErrorKind.InvalidShape, $"the shape of \"{name}\" must be a list of at most {MaximumRank} whole numbers from 0 to 2^63 - 1.");
        return shape;
    }

    private long[] ReadOffsets(ref Utf8JsonReader reader, string name)
    {
        if (!TryReadWholeNumbers(ref reader, 2, out var offsets) || offsets.Length != 2 || offsets[0] > offsets[1])
            throw Error(ModelFileErrorKind.InvalidOffsets, $"data_offsets of \"{name}\" must be two whole numbers, 0 ≤ begin ≤ end.");
        return offsets;
    }

    private static bool TryReadWholeNumbers(ref Utf8JsonReader reader, int maximumCount, out long[] numbers)
    {
        numbers = [];
        if (reader.TokenType != JsonTokenType.StartArray)
            return false;
        var list = new List<long>(4);
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out var number) || number < 0 || list.Count == maximumCount)
                return false;
            list.Add(number);
        }

        numbers = [.. list];
        return true;
    }

    private SafetensorsEntry CheckEntry(string name, SafetensorsEntry entry)
    {
        if (SafetensorsDTypes.ByteCount(entry.DType, entry.Shape) is not { } expected)
            throw Error(ModelFileErrorKind.ShapeOverflow, $"\"{name}\" is {entry}: its bytes cannot be counted in 63 bits.");
        if (entry.End > _bufferLength)
            throw Error(ModelFileErrorKind.OffsetsBeyondBuffer, $"\"{name}\" ends at byte {entry.End} of the data, but the file has only {_bufferLength}. It is cut short; copy or download it again.");
        if (entry.ByteCount != expected)
            throw Error(ModelFileErrorKind.SizeMismatch, $"\"{name}\" is {entry}, which takes {expected} bytes, but its offsets [{entry.Begin}, {entry.End}] hold {entry.ByteCount}.");
        return entry;
    }

    // The tensors must cover the data once, without gaps: bytes that no tensor owns could hide anything.
    private void CheckLayout()
    {
        long end = 0;
        var previous = "";
        foreach (var (name, entry) in Entries.OrderBy(pair => pair.Value.Begin).ThenBy(pair => pair.Value.End))
        {
            if (entry.Begin < end)
                throw Error(ModelFileErrorKind.OverlappingOffsets, $"\"{name}\" begins at byte {entry.Begin} of the data, inside \"{previous}\" which ends at {end}.");
            if (entry.Begin > end)
                throw Error(ModelFileErrorKind.HoleInBuffer, $"bytes {end} to {entry.Begin} of the data, before \"{name}\", belong to no tensor.");
            (end, previous) = (entry.End, name);
        }

        if (end != _bufferLength)
            throw Error(ModelFileErrorKind.TrailingBytes, $"the tensors take {end} bytes, but {_bufferLength} follow the header.");
    }

    private static string Word(JsonTokenType token) => token switch
    {
        JsonTokenType.StartObject => "an object",
        JsonTokenType.StartArray => "a list",
        JsonTokenType.String => "a string",
        JsonTokenType.Number => "a number",
        JsonTokenType.Null => "null",
        _ => "a truth value",
    };

    private ModelFileException Duplicate(string key) => Error(ModelFileErrorKind.DuplicateKey, $"the header names \"{key}\" twice; which of them is meant cannot be known.");

    private ModelFileException Limit(string what, string limit) =>
        Error(ModelFileErrorKind.LimitExceeded, $"{what}. Raise {nameof(SafetensorsLimits)}.{limit} if you trust the file.");

    private ModelFileException Error(ModelFileErrorKind kind, string reason) => new(kind, _path, reason);
}
