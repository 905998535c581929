using System.Buffers.Binary;
using System.Text;
using FilterPruning.Fuzz.Engine;
using FilterPruning.Storage;

namespace FilterPruning.Fuzz.Core;

/// <summary>safetensors files: the header, then every tensor.</summary>
internal sealed class SafetensorsTarget : ReaderTarget
{
    public override string Name => "safetensors";

    // Reading a tensor makes a few small objects, whatever its size; the header's entries are some fifty bytes each.
    public override double BytesPerByte => 150;

    public override IReadOnlyList<byte[]> Words { get; } =
    [
        .. new[] { "\"dtype\":", "\"shape\":[", "\"data_offsets\":[", "\"__metadata__\":{", "\"F32\"", "\"BOOL\"", "\"U8\"", "\"F16\"", "\"BF16\"", "\"I64\"", "\"\\ud800\"", "{}", "[]", "null", "1,", "0,", "\"a\":" }.Select(Encoding.ASCII.GetBytes),
    ];

    public static byte[] File(string header, int dataBytes)
    {
        var json = Encoding.UTF8.GetBytes(header);
        var bytes = new byte[8 + json.Length + dataBytes];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, json.Length);
        json.CopyTo(bytes, 8);
        for (var i = 8 + json.Length; i < bytes.Length; i++)
            bytes[i] = (byte)i;
        return bytes;
    }

    public override IEnumerable<byte[]> Seeds()
    {
        yield return File("""{"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"BOOL","shape":[4],"data_offsets":[24,28]},"__metadata__":{"k":"v"}}""", 28);
        yield return File("""{"s":{"dtype":"F16","shape":[],"data_offsets":[0,2]},"e":{"dtype":"I64","shape":[0,3],"data_offsets":[2,2]}}""", 2);
        yield return File("{}", 0);
        yield return File("""{"a":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104]}}""", 64);
        yield return File("""{"a":{"dtype":"U8","shape":[4611686018427387904,4],"data_offsets":[0,0]}}""", 0);
        yield return [0, 0, 0, 0, 1, 0, 0, 0, (byte)'{', (byte)'}'];
    }

    public override long Read(byte[] input)
    {
        using var scope = NewDisposeScope();
        using var file = SafetensorsFile.Open("fuzz", ByteSource.Of(input), new SafetensorsLimits());
        return file.ReadAll().Values.Sum(tensor => 2 * tensor.numel() * tensor.ElementSize);
    }

    public override byte[] Repair(byte[] input, Mutator mutator) => Repaired(input, mutator);

    /// <summary>Sets the header's length to where its braces close, and the data to what the offsets ask for; sometimes changes the header as JSON first.</summary>
    public static byte[] Repaired(byte[] input, Mutator mutator)
    {
        if (input.Length < 10)
            return input;
        var end = HeaderEnd(input);
        var header = Encoding.UTF8.GetString(input, 8, end - 8);
        if (mutator.Random.OneIn(2))
            header = JsonShape.Change(header, mutator);
        var last = 0L;
        for (var at = header.IndexOf("data_offsets", StringComparison.Ordinal); at >= 0; at = header.IndexOf("data_offsets", at + 1, StringComparison.Ordinal))
        {
            var comma = header.IndexOf(',', at);
            var close = comma < 0 ? -1 : header.IndexOf(']', comma);
            if (close > 0 && long.TryParse(header.AsSpan(comma + 1, close - comma - 1), out var offset))
                last = Math.Max(last, offset);
        }

        return File(header, last is >= 0 and <= 4096 ? (int)last : input.Length - end);
    }

    private static int HeaderEnd(byte[] input)
    {
        var depth = 0;
        var quoted = false;
        for (var i = 8; i < input.Length; i++)
        {
            if (input[i] == '"' && input[i - 1] != '\\')
                quoted = !quoted;
            else if (!quoted && input[i] == '{')
                depth++;
            else if (!quoted && input[i] == '}' && --depth <= 0)
                return i + 1;
        }

        return input.Length;
    }
}
