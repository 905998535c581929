using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Storage;

namespace FilterPruning.Schedules;

/// <summary>The first line of a scan's file: what the points were measured on.</summary>
/// <param name="Format">Always <see cref="Known"/>.</param>
/// <param name="Model">SHA-256 over names, shapes and bytes of the model's tensors and over the roles.</param>
/// <param name="Label">The caller's name for metric and data.</param>
/// <param name="Settings">Which channels may go and in which order.</param>
/// <param name="Ratios">The scanned ratios.</param>
/// <param name="Points">The number of points of the whole scan.</param>
/// <param name="Baseline">The metric of the whole model.</param>
internal sealed record ScanHeader(string Format, string Model, string Label, PlanSettings Settings, IReadOnlyList<double> Ratios, int Points, double Baseline)
{
    public const string Known = "filter-pruning sensitivity 1";

    /// <summary>The header of a scan that is about to begin; its baseline is yet to be measured.</summary>
    public static ScanHeader Of(DependencyGraph graph, SensitivityOptions options, int points)
    {
        var pruning = options.Pruning with { Ratio = 0, Target = null, Scope = PruningScope.Local, LayerRatios = [] };
        return new ScanHeader(Known, Fingerprint(graph), options.Label, PlanSettings.Of(pruning), options.Ratios, points, 0);
    }

    /// <summary>What differs between two headers, in words.</summary>
    public IEnumerable<string> Differences(ScanHeader other)
    {
        if (Model != other.Model)
            yield return "the model's structure or weights";
        if (Label != other.Label)
            yield return $"the label, '{Label}'";
        if (JsonSerializer.Serialize(Settings, ScanJsonContext.Lines.PlanSettings) != JsonSerializer.Serialize(other.Settings, ScanJsonContext.Lines.PlanSettings))
            yield return "the pruning options";
        if (!Ratios.SequenceEqual(other.Ratios))
            yield return "the ratios";
        if (Points != other.Points)
            yield return "the number of points";
    }

    private static string Fingerprint(DependencyGraph graph)
    {
        using var scope = NewDisposeScope();
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        void Text(FormattableString text) => hash.AppendData(Encoding.UTF8.GetBytes(text.ToString(CultureInfo.InvariantCulture) + "\n"));
        foreach (var (name, tensor) in graph.Model.state_dict().OrderBy(entry => entry.Key, StringComparer.Ordinal))
        {
            Text($"{name} {tensor.dtype} [{string.Join(',', tensor.shape)}]");
            if (tensor.numel() > 0)
                hash.AppendData(tensor.detach().cpu().contiguous().bytes);
        }

        foreach (var role in graph.Roles)
            Text($"{role.Count} {role.Description}");
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}

/// <summary>The file of a scan: a header, then a line for each point, each written through to the disk before the next is measured. One process at a time may write.</summary>
internal sealed class SensitivityFile : IDisposable
{
    /// <summary>The most bytes of a file: some three hundred thousand points.</summary>
    private const long MaximumBytes = 64L << 20;

    private readonly string _path;
    private readonly WriterLock _lock;
    private readonly FileStream _stream;
    private readonly ScanHeader _header;
    private readonly Dictionary<(string Role, double Ratio), SensitivityPoint> _points = [];
    private bool _begun;

    private SensitivityFile(string path, WriterLock guard, FileStream stream, ScanHeader header) => (_path, _lock, _stream, _header) = (path, guard, stream, header);

    /// <summary>The metric of the whole model when it is known.</summary>
    public double? Baseline { get; private set; }

    /// <summary>Opens or creates a file and reads the points it has.</summary>
    /// <exception cref="PruningException">The file is of another scan, damaged, in use, or cannot be written.</exception>
    public static SensitivityFile Open(string path, ScanHeader header, Func<SensitivityPoint, bool> belongs)
    {
        var (guard, stream) = OpenToWrite(path);
        var file = new SensitivityFile(path, guard, stream, header);
        try
        {
            file.Read(belongs);
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Adds a file's points to those that are known, and changes nothing. A file that a run was killed in before its first line was done adds none.</summary>
    /// <param name="path">The file.</param>
    /// <param name="header">What it must be of.</param>
    /// <param name="belongs">Which points the scan has.</param>
    /// <param name="known">Points by role and ratio, each with the file it came from.</param>
    /// <returns>The metric of the whole model; null when the file holds nothing.</returns>
    /// <exception cref="PruningException">The file cannot be read, is damaged or of another scan, or has another value for a point that is known.</exception>
    public static double? Collect(string path, ScanHeader header, Func<SensitivityPoint, bool> belongs, Dictionary<(string Role, double Ratio), (SensitivityPoint Point, string File)> known)
    {
        byte[] bytes;
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            bytes = new byte[stream.Length];
            stream.ReadExactly(bytes);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw Unreadable(path, error);
        }

        var (_, found, points) = Parse(path, bytes, header, belongs);
        foreach (var point in points)
        {
            if (!known.TryAdd((point.Role, point.Ratio), (point, path)) && known[(point.Role, point.Ratio)] is var (other, file) && other != point)
            {
                throw new PruningException(FormattableString.Invariant(
                    $"'{path}' has {point.Metric} for '{point.Role}' at {point.Ratio}, and '{file}' has {other.Metric}. One scan has one value for each point: leave one of the files out, or make the metric give the same every time."));
            }
        }

        return found?.Baseline;
    }

    /// <summary>Reads the file of a finished scan.</summary>
    public static SensitivityResult Load(string path)
    {
        string[] lines;
        try
        {
            lines = TooLarge(new FileInfo(path) is { Exists: true } info ? info.Length : 0, path) ?? System.IO.File.ReadAllLines(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw Unreadable(path, error);
        }

        return Parse(path, lines);
    }

    /// <summary>The lines of a finished scan.</summary>
    internal static SensitivityResult Parse(string path, IReadOnlyList<string> lines)
    {
        var header = Header(path, lines.Count > 0 ? lines[0] : "");
        var points = lines.Skip(1).Select((line, i) => Parse(path, line, i + 2)).ToList();
        return points.Count == header.Points
            ? new SensitivityResult(header.Baseline, header.Ratios, points)
            : throw new PruningException($"The sensitivity file '{path}' has {points.Count} of its {header.Points} points. Run the scan again with this file to finish it; where it is a part of a scan, join it with the others.");
    }

    /// <summary>A point that the file already has.</summary>
    public SensitivityPoint? Find(string role, double ratio) => _points.TryGetValue((role, ratio), out var point) ? point : null;

    /// <summary>Writes the header of a new file.</summary>
    public void Begin(double baseline)
    {
        if (_begun)
            return;
        WriteLine(JsonSerializer.Serialize(_header with { Baseline = baseline }, ScanJsonContext.Lines.ScanHeader));
        (_begun, Baseline) = (true, baseline);
    }

    /// <summary>Adds a point, unless the file has it.</summary>
    public void Add(SensitivityPoint point)
    {
        if (_points.TryAdd((point.Role, point.Ratio), point))
            WriteLine(JsonSerializer.Serialize(point, ScanJsonContext.Lines.SensitivityPoint));
    }

    public void Dispose()
    {
        _stream.Dispose();
        _lock.Dispose();
    }

    private static (WriterLock Lock, FileStream Stream) OpenToWrite(string path)
    {
        WriterLock? guard = null;
        try
        {
            guard = WriterLock.TryTake(path) ?? throw new PruningException($"Another scan writes to the sensitivity file '{path}'. Wait until it has ended, or give each scan, and each shard, a file of its own.");
            // Without a buffer: what a full disk refused must not be written later, when the file is closed.
            return (guard, new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            guard?.Dispose();
            throw new PruningException($"The sensitivity file '{path}' cannot be opened: {error.Message} Give a path in a folder that exists and can be written.", error);
        }
    }

    private void Read(Func<SensitivityPoint, bool> belongs)
    {
        TooLarge(_stream.Length, _path);
        var bytes = new byte[_stream.Length];
        _stream.ReadExactly(bytes);
        var (whole, header, points) = Parse(_path, bytes, _header, belongs);
        (_begun, Baseline) = (header is not null, header?.Baseline);
        foreach (var point in points)
            _points.Add((point.Role, point.Ratio), point);
        _stream.SetLength(whole);
        _stream.Position = whole;
    }

    // The length of all whole lines, and what they hold. A line without an end was being written when the scan was stopped.
    private static (int Whole, ScanHeader? Header, IReadOnlyList<SensitivityPoint> Points) Parse(string path, ReadOnlySpan<byte> bytes, ScanHeader wanted, Func<SensitivityPoint, bool> belongs)
    {
        var whole = bytes.LastIndexOf((byte)'\n') + 1;
        var lines = Encoding.UTF8.GetString(bytes[..whole]).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        if (lines.Length == 0)
            return (whole, null, []);
        var header = Header(path, lines[0]);
        var differences = wanted.Differences(header).ToList();
        if (differences.Count > 0)
            throw new PruningException($"The sensitivity file '{path}' belongs to another scan; it differs in {string.Join(" and ", differences)}. Give another file, or delete this one to scan anew.");
        var points = new List<SensitivityPoint>();
        var seen = new HashSet<(string, double)>();
        for (var i = 1; i < lines.Length; i++)
        {
            var point = Parse(path, lines[i], i + 1);
            if (!belongs(point) || !seen.Add((point.Role, point.Ratio)))
                throw Damaged(path, i + 1, "the point is not one of this scan, or stands there twice");
            points.Add(point);
        }

        return (whole, header, points);
    }

    private void WriteLine(string line)
    {
        var end = _stream.Position;
        try
        {
            _stream.Write(Encoding.UTF8.GetBytes(line + "\n"));
            _stream.Flush(flushToDisk: true);
        }
        catch (Exception error) when (AtomicFile.IsRefusal(error))
        {
            TakeBack(end);
            throw new ModelFileException(
                ModelFileErrorKind.WriteFailed, _path, $"cannot add a line: {error.Message} The points so far are safe. Make room, or mend what is wrong, and run the same again: it goes on behind them.", error);
        }
    }

    // Where even this fails the line stays without an end, and the next run takes it away.
    private void TakeBack(long end)
    {
        try
        {
            _stream.SetLength(end);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // The first error is the one to tell.
        }
    }

    private static string[]? TooLarge(long bytes, string path) => bytes <= MaximumBytes
        ? null
        : throw new PruningException($"The sensitivity file '{path}' has {bytes} bytes; at most {MaximumBytes} are read. Give the file of a scan.");

    private static ScanHeader Header(string path, string line)
    {
        try
        {
            if (JsonSerializer.Deserialize(line, ScanJsonContext.Lines.ScanHeader) is { Format: ScanHeader.Known } header)
                return header;
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or ArgumentException)
        {
            // Said below.
        }

        throw Damaged(path, 1, $"it is no header of '{ScanHeader.Known}'");
    }

    private static SensitivityPoint Parse(string path, string line, int number)
    {
        try
        {
            // A structure is made without its constructor, so that nothing asks for its members.
            if (JsonSerializer.Deserialize(line, ScanJsonContext.Lines.SensitivityPoint) is { Role: not null } point)
                return point;
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or ArgumentException)
        {
            throw Damaged(path, number, error.Message);
        }

        throw Damaged(path, number, "it names no role");
    }

    private static PruningException Unreadable(string path, Exception error)
        => new($"The sensitivity file '{path}' cannot be read: {error.Message} Give the file of a scan.", error);

    private static PruningException Damaged(string path, int line, string what)
        => new($"Line {line} of the sensitivity file '{path}' cannot be used: {what}. Delete the line, or the file to scan anew.");
}

[JsonSourceGenerationOptions(GenerationMode = JsonSourceGenerationMode.Metadata)]
[JsonSerializable(typeof(ScanHeader))]
[JsonSerializable(typeof(SensitivityPoint))]
internal sealed partial class ScanJsonContext : JsonSerializerContext
{
    public static ScanJsonContext Lines { get; } = new(new JsonSerializerOptions
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        Converters = { new JsonStringEnumConverter<PruningScope>(null, false), new JsonStringEnumConverter<ScoreNormalization>(null, false), new JsonStringEnumConverter<GroupReduction>(null, false) },
    });
}
