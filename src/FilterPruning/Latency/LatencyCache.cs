using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Serialization;
using FilterPruning.Storage;

namespace FilterPruning.Latency;

/// <summary>Times that were measured before, by what was timed. Nothing is kept without a path.</summary>
internal sealed class LatencyCache
{
    /// <summary>The most bytes of a file: several hundred thousand times.</summary>
    private const long MaximumBytes = 64L << 20;

    private readonly string? _path;
    private readonly SortedDictionary<string, double> _times;
    private bool _changed;

    private LatencyCache(string? path, SortedDictionary<string, double> times) => (_path, _times) = (path, times);

    /// <summary>What times depend on beside the layer: another machine, device or number of threads has times of its own.</summary>
    public static string Surroundings(Device device) =>
        $"{Environment.MachineName}/{RuntimeInformation.ProcessArchitecture}/{Environment.ProcessorCount} cores/{device}/{get_num_threads()} threads/libtorch {torch.__version__}";

    /// <exception cref="PruningException">The file is no such cache, or cannot be written.</exception>
    public static LatencyCache Open(string? path)
    {
        if (path is not null)
            AtomicFile.CheckWritable(path); // before minutes of measuring, not after
        if (path is null || !File.Exists(path))
            return new LatencyCache(path, new(StringComparer.Ordinal));
        try
        {
            var length = new FileInfo(path).Length; // a named pipe has none, and opening it may never end
            if (length > MaximumBytes)
                throw new JsonException($"It has {length} bytes, more than {MaximumBytes}.");
            using var stream = length == 0 ? Stream.Null : File.OpenRead(path);
            return new LatencyCache(path, Parse(stream));
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or ArgumentException or IOException or UnauthorizedAccessException)
        {
            throw new PruningException($"'{path}' is no file of latencies: {error.Message} Remove it, or give another path.", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new PruningException($"The file of latencies '{path}' cannot be read: {error.Message} Give another path.", error);
        }
    }

    /// <summary>The times in a file.</summary>
    /// <exception cref="JsonException">It holds something else.</exception>
    internal static SortedDictionary<string, double> Parse(Stream stream)
    {
        var times = JsonSerializer.Deserialize(stream, LatencyJson.Default.SortedDictionaryStringDouble) ?? throw new JsonException("It holds 'null'.");
        if (times.Values.Any(time => !(time >= 0 && double.IsFinite(time))))
            throw new JsonException("It holds a time that is no number of milliseconds.");
        return new(times, StringComparer.Ordinal);
    }

    /// <summary>The time of a key, measured where it is not known.</summary>
    public double Get(string key, Func<double> measure)
    {
        if (_times.TryGetValue(key, out var known))
            return known;
        var time = measure();
        _times[key] = time;
        _changed = true;
        return time;
    }

    /// <summary>Measures a key once more; the shorter of its times is kept.</summary>
    public double Again(string key, Func<double> measure)
    {
        var time = measure();
        if (_times.TryGetValue(key, out var known) && known <= time)
            return known;
        _changed = true;
        return _times[key] = time;
    }

    /// <summary>Keeps what was measured so far, after an error or a cancellation that is more important than a file that cannot be written.</summary>
    public void TrySave()
    {
        try
        {
            Save();
        }
        catch (ModelFileException)
        {
            // The caller is about to hear of something else.
        }
    }

    /// <summary>Writes the file beside its place and renames it, so that a broken write leaves the old one.</summary>
    /// <exception cref="ModelFileException">It cannot be written.</exception>
    public void Save()
    {
        if (_path is null || !_changed)
            return;
        AtomicFile.Write(_path, stream => JsonSerializer.Serialize(stream, _times, LatencyJson.Default.SortedDictionaryStringDouble));
    }
}

[JsonSerializable(typeof(SortedDictionary<string, double>))]
[JsonSourceGenerationOptions(WriteIndented = true)]
internal sealed partial class LatencyJson : JsonSerializerContext;
