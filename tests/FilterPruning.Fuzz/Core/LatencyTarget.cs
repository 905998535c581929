using System.Text.Json;
using FilterPruning.Latency;

namespace FilterPruning.Fuzz.Core;

/// <summary>The file of measured latencies.</summary>
internal sealed class LatencyTarget : JsonTarget
{
    public override string Name => "latency";

    public override IEnumerable<byte[]> Seeds() => ["""{"conv 3 64":1.5,"linear":0.25}"""u8.ToArray(), "{}"u8.ToArray()];

    public override long Read(byte[] input)
    {
        LatencyCache.Parse(new MemoryStream(input));
        return 0;
    }

    // The errors that the reader of the file turns into one of the library's.
    public override bool Allows(Exception error) => error is JsonException or InvalidOperationException or ArgumentException;
}
