using System.Text;
using System.Text.Json;
using FilterPruning.Storage;

namespace FilterPruning.Cli.Study;

/// <summary>
/// The results of a study: one JSON object on each line, only ever appended to. A line is written in one piece and forced to the disk before the next point begins, so a
/// killed run loses at most the point in hand. One process at a time may write.
/// </summary>
internal sealed class StudyFile : IDisposable
{
    private const byte LineEnd = (byte)'\n';

    private readonly FileStream _lock;
    private readonly FileStream _stream;
    private readonly HashSet<StudyKey> _keys;

    private StudyFile(string path, FileStream guard, FileStream stream, IReadOnlyList<StudyPoint> points, string? note)
    {
        (Path, _lock, _stream, Found, Note) = (path, guard, stream, points, note);
        _keys = [.. points.Select(point => point.Key)];
    }

    public string Path { get; }

    /// <summary>What was there when the file was opened.</summary>
    public IReadOnlyList<StudyPoint> Found { get; }

    /// <summary>What had to be put right when the file was opened; null for nothing.</summary>
    public string? Note { get; }

    /// <summary>Where the rest of a line is kept that a killed run left.</summary>
    public static string TornPath(string path) => path + ".torn";

    /// <summary>
    /// Opens a file to go on with it, or makes it. A last line without its end was being written when a run was killed: it is moved to <see cref="TornPath"/>, whole or
    /// not, and its point is measured again.
    /// </summary>
    /// <exception cref="ArgumentException">The folder does not exist, another process writes to the file, or it holds a line that is no point.</exception>
    public static StudyFile Open(string path)
    {
        var folder = System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path));
        if (!Directory.Exists(folder))
            throw new ArgumentException($"The folder '{folder}' for '{path}' does not exist. Create it first.");
        var guard = Guard(path);
        FileStream? stream = null;
        try
        {
            // Others may read while it grows. Without a buffer: what a full disk refused must not be written later, when the file is closed.
            stream = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
            ResultsFile.CheckLength(path, stream.Length);
            var bytes = new byte[stream.Length];
            stream.ReadExactly(bytes);
            var complete = Array.LastIndexOf(bytes, LineEnd) + 1;
            var points = Parse(bytes.AsSpan(0, complete), path);
            string? note = null;
            if (complete < bytes.Length)
            {
                Keep(TornPath(path), bytes.AsSpan(complete));
                stream.SetLength(complete);
                stream.Flush(flushToDisk: true);
                note = $"The last line of '{path}' has no end: a run was stopped while it wrote it. Its {bytes.Length - complete} bytes are in '{TornPath(path)}' now, and the point is measured again.";
            }

            stream.Position = complete;
            return new StudyFile(path, guard, stream, points, note);
        }
        catch
        {
            stream?.Dispose();
            guard.Dispose();
            throw;
        }
    }

    /// <summary>The complete lines of a file, without changing it; nothing when there is no file.</summary>
    /// <exception cref="ArgumentException">It holds a line that is no point.</exception>
    public static IReadOnlyList<StudyPoint> Read(string path)
    {
        if (!File.Exists(path))
            return [];
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        ResultsFile.CheckLength(path, stream.Length);
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return Parse(bytes.AsSpan(0, Array.LastIndexOf(bytes, LineEnd) + 1), path);
    }

    /// <summary>Whether a point is there.</summary>
    public bool Has(StudyKey key) => _keys.Contains(key);

    /// <summary>Appends a point and forces it to the disk.</summary>
    /// <exception cref="ModelFileException">The disk is full, or refuses for another reason; what was there stays.</exception>
    public void Append(StudyPoint point)
    {
        var end = _stream.Length;
        try
        {
            _stream.Write(Encoding.UTF8.GetBytes(point.ToJson() + "\n"));
            _stream.Flush(flushToDisk: true);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentOutOfRangeException { ParamName: "value" }) // EFBIG
        {
            TakeBack(end);
            throw new ModelFileException(
                ModelFileErrorKind.WriteFailed, Path, $"cannot add a point: {error.Message} The points so far are safe. Make room, or mend what is wrong, and run the same again: it goes on behind them.", error);
        }

        _keys.Add(point.Key);
    }

    public void Dispose()
    {
        _stream.Dispose();
        _lock.Dispose();
    }

    // Where even this fails the line stays without an end, and the next run puts it aside.
    private void TakeBack(long end)
    {
        try
        {
            _stream.SetLength(end);
            _stream.Position = end;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // The first error is the one to tell.
        }
    }

    private static FileStream Guard(string path)
    {
        try
        {
            return new FileStream(path + ".lock", FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 1, FileOptions.DeleteOnClose);
        }
        catch (IOException error) when (error.HResult is 11 or 35 or unchecked((int)0x80070020)) // EAGAIN on Linux, on macOS; ERROR_SHARING_VIOLATION
        {
            throw new ArgumentException($"Another process writes to '{path}'. Give each shard a file of its own and join them afterwards (--join a.jsonl b.jsonl).", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new ArgumentException($"'{path}' cannot be written: {error.Message} Give a path in a folder that can be written to.", error);
        }
    }

    /// <summary>The points of complete lines.</summary>
    internal static List<StudyPoint> Parse(ReadOnlySpan<byte> bytes, string path)
    {
        var points = new List<StudyPoint>();
        for (var line = 1; !bytes.IsEmpty; line++)
        {
            var length = bytes.IndexOf(LineEnd);
            var text = bytes[..length];
            bytes = bytes[(length + 1)..];
            if (text.Trim((ReadOnlySpan<byte>)" \r\t"u8).IsEmpty)
                continue;
            try
            {
                points.Add(StudyPoint.FromJson(text));
            }
            catch (Exception error) when (error is JsonException or InvalidOperationException)
            {
                // Half a surrogate pair is an InvalidOperationException.
                throw new ArgumentException($"Line {line} of '{path}' is no point of a study: {error.Message} Repair or remove that line, or give another file.", error);
            }
        }

        return points;
    }

    private static void Keep(string path, ReadOnlySpan<byte> bytes)
    {
        using var torn = new FileStream(path, FileMode.Append, FileAccess.Write);
        torn.Write(bytes);
        torn.WriteByte(LineEnd);
        torn.Flush(flushToDisk: true);
    }
}
