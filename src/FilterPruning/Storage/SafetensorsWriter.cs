using System.Buffers;
using System.Buffers.Binary;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace FilterPruning.Storage;

/// <summary>Lays out and writes a safetensors file.</summary>
internal static class SafetensorsWriter
{
    private const int Alignment = 8;

    public static void Write(string path, IReadOnlyList<KeyValuePair<string, Tensor>> tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        Validate(tensors, metadata);

        // A stable sort: the order of equals is the caller's.
        var layout = tensors.OrderByDescending(pair => SafetensorsDTypes.SizeOf(pair.Value.dtype)).ToList();
        var header = Header(tensors, layout, metadata);
        AtomicFile.Write(path, stream =>
        {
            Span<byte> prefix = stackalloc byte[8];
            BinaryPrimitives.WriteUInt64LittleEndian(prefix, (ulong)header.Length);
            stream.Write(prefix);
            stream.Write(header);
            foreach (var (_, tensor) in layout)
                WriteData(stream, tensor);
        });
    }

    private static void WriteData(Stream stream, Tensor tensor)
    {
        // One tensor at a time is copied, and only when it lies elsewhere or has gaps.
        using var scope = NewDisposeScope();
        TensorMemory.WriteTo(stream, tensor.detach().cpu().contiguous());
    }

    private static void Validate(IReadOnlyList<KeyValuePair<string, Tensor>> tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        var problems = new List<string>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (name, tensor) in tensors)
        {
            if (name is null)
                problems.Add("a name is null");
            else if (name == SafetensorsHeader.MetadataKey)
                problems.Add($"\"{name}\" is reserved by the format");
            else if (!seen.Add(name))
                problems.Add($"\"{name}\" occurs twice");

            if (tensor is null || tensor.IsInvalid)
                problems.Add($"\"{name}\" is null or disposed");
            else if (SafetensorsDTypes.NameOf(tensor.dtype) is null)
                problems.Add($"\"{name}\" is {tensor.dtype}; the format has {SafetensorsDTypes.KnownNames}");
            else if (tensor.is_sparse)
                problems.Add($"\"{name}\" is sparse; make it dense first");
            else if (tensor.device_type == DeviceType.META)
                problems.Add($"\"{name}\" is on the meta device and has no numbers");
        }

        if (metadata is not null)
            problems.AddRange(metadata.Where(pair => pair.Value is null).Select(pair => $"metadata \"{pair.Key}\" is null"));
        if (problems.Count > 0)
            throw new ArgumentException($"These tensors cannot be written: {string.Join("; ", problems)}.", nameof(tensors));
    }

    private static byte[] Header(IReadOnlyList<KeyValuePair<string, Tensor>> tensors, List<KeyValuePair<string, Tensor>> layout, IReadOnlyDictionary<string, string>? metadata)
    {
        var begins = new Dictionary<string, long>(StringComparer.Ordinal);
        long offset = 0;
        foreach (var (name, tensor) in layout)
        {
            begins.Add(name, offset);
            offset += tensor.numel() * tensor.ElementSize;
        }

        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            WriteMetadata(json, metadata);
            foreach (var (name, tensor) in tensors)
                WriteEntry(json, name, tensor, begins[name]);
            json.WriteEndObject();
        }

        // Spaces at the end let the data begin at a multiple of 8.
        while (buffer.WrittenCount % Alignment != 0)
            buffer.Write(" "u8);
        if (buffer.WrittenCount > SafetensorsHeader.MaximumLength)
            throw new ArgumentException($"The header would take {buffer.WrittenCount} bytes; the format's limit is {SafetensorsHeader.MaximumLength}. Store less metadata or fewer tensors.", nameof(metadata));
        return buffer.WrittenSpan.ToArray();
    }

    private static void WriteMetadata(Utf8JsonWriter json, IReadOnlyDictionary<string, string>? metadata)
    {
        if (metadata is null || metadata.Count == 0)
            return;
        json.WriteStartObject(SafetensorsHeader.MetadataKey);
        foreach (var (key, value) in metadata.OrderBy(pair => pair.Key, StringComparer.Ordinal))
            json.WriteString(key, value);
        json.WriteEndObject();
    }

    private static void WriteEntry(Utf8JsonWriter json, string name, Tensor tensor, long begin)
    {
        json.WriteStartObject(name);
        json.WriteString("dtype", SafetensorsDTypes.NameOf(tensor.dtype));
        json.WriteStartArray("shape");
        foreach (var size in tensor.shape)
            json.WriteNumberValue(size);
        json.WriteEndArray();
        json.WriteStartArray("data_offsets");
        json.WriteNumberValue(begin);
        json.WriteNumberValue(begin + (tensor.numel() * tensor.ElementSize));
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
