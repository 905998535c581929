using System.Globalization;
using System.Text;

namespace FilterPruning.Storage;

/// <summary>Writes a file beside its target and renames it when it is complete, so that a reader, and whoever comes after a crash, sees the old file or the new one and never a half.</summary>
/// <remarks>
/// <para>The bytes are forced to the disk before the rename. The file beside is named <c>TARGET.PROCESS.partial</c>; a failed write removes it. A killed process leaves it, and the next write to the same target removes it:
/// a living writer holds a lock on its own.</para>
/// <para>Devices (<c>/dev/null</c>) are written to, not replaced. Two writers of one target at a time are allowed from different processes; the last rename counts.</para>
/// </remarks>
public static class AtomicFile
{
    private const string Suffix = ".partial";

    /// <summary>Writes a file.</summary>
    /// <param name="path">The file to write or replace.</param>
    /// <param name="write">Writes its bytes; what it throws leaves what was there.</param>
    /// <exception cref="ModelFileException">The file system refused (<see cref="ModelFileErrorKind.WriteFailed"/>); whatever was at the path is unchanged.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(write);
        try
        {
            if (IsDevice(path))
                WriteThrough(path, FileMode.Open, write);
            else
                WriteBeside(path, write);
        }
        catch (Exception error) when (IsRefusal(error))
        {
            throw new ModelFileException(ModelFileErrorKind.WriteFailed, path, $"cannot write: {error.Message} {Remedy(error)} What was there before is unchanged.", error);
        }
    }

    /// <summary>Writes a text file in UTF-8.</summary>
    /// <inheritdoc cref="Write"/>
    /// <param name="path">The file to write or replace.</param>
    /// <param name="text">Its content.</param>
    public static void WriteText(string path, string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        WriteBytes(path, Encoding.UTF8.GetBytes(text));
    }

    /// <summary>Writes bytes.</summary>
    /// <inheritdoc cref="Write"/>
    /// <param name="path">The file to write or replace.</param>
    /// <param name="bytes">Its content.</param>
    public static void WriteBytes(string path, byte[] bytes)
    {
        ArgumentNullException.ThrowIfNull(bytes);
        Write(path, stream => stream.Write(bytes));
    }

    /// <summary>Finds out whether a file could be written, before the work whose result it will hold: an empty file is made beside it and removed.</summary>
    /// <param name="path">The file that is going to be written.</param>
    /// <exception cref="ModelFileException">It could not (<see cref="ModelFileErrorKind.WriteFailed"/>).</exception>
    public static void CheckWritable(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (IsDevice(path))
            return;
        if (Directory.Exists(path))
            throw new ModelFileException(ModelFileErrorKind.WriteFailed, path, "cannot write: it is a folder. Give the path of a file.");
        try
        {
            using var probe = new FileStream(PartialOf(path), FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 1, FileOptions.DeleteOnClose);
        }
        catch (Exception error) when (IsRefusal(error))
        {
            throw new ModelFileException(ModelFileErrorKind.WriteFailed, path, $"cannot write: {error.Message} {Remedy(error)}", error);
        }
    }

    private static void WriteBeside(string path, Action<Stream> write)
    {
        RemoveLeftovers(path);
        var partial = PartialOf(path);
        var created = false;
        try
        {
            WriteThrough(partial, FileMode.Create, stream =>
            {
                created = true;
                write(stream);
            });
            File.Move(partial, path, overwrite: true);
            created = false;
        }
        finally
        {
            if (created)
                Remove(partial);
        }
    }

    private static void WriteThrough(string path, FileMode mode, Action<Stream> write)
    {
        using var stream = new FileStream(path, mode, FileAccess.Write, FileShare.None, bufferSize: 1 << 16);
        write(stream);
        stream.Flush(flushToDisk: mode == FileMode.Create);
    }

    // The process number keeps two writers of one target apart; it leaves no trace in the result.
    private static string PartialOf(string path) => string.Create(CultureInfo.InvariantCulture, $"{path}.{Environment.ProcessId}{Suffix}");

    // What killed processes left beside the target. A living one holds a lock.
    private static void RemoveLeftovers(string path)
    {
        var full = Path.GetFullPath(path);
        var (folder, name) = (Path.GetDirectoryName(full), Path.GetFileName(full));
        if (folder is null || !Directory.Exists(folder))
            return;
        foreach (var file in Directory.EnumerateFiles(folder))
        {
            var other = Path.GetFileName(file.AsSpan());
            if (other.Length > name.Length + 1 + Suffix.Length && other.StartsWith(name, StringComparison.Ordinal) && other[name.Length] == '.' && other.EndsWith(Suffix, StringComparison.Ordinal)
                && !other[(name.Length + 1)..^Suffix.Length].ContainsAnyExceptInRange('0', '9'))
            {
                Remove(file);
            }
        }
    }

    private static void Remove(string file)
    {
        try
        {
            using var locked = new FileStream(file, FileMode.Open, FileAccess.ReadWrite, FileShare.None, bufferSize: 1, FileOptions.DeleteOnClose);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // In use, gone, or out of reach: the write itself says what is wrong.
        }
    }

    private static bool IsDevice(string path)
        => !OperatingSystem.IsWindows() && Path.GetFullPath(path) is var full && full.StartsWith("/dev/", StringComparison.Ordinal) && !full.StartsWith("/dev/shm/", StringComparison.Ordinal);

    /// <summary>Whether an error while writing is the file system's. A file that grows larger than the file system, a quota or the process's limit allows (EFBIG) is an argument error to .NET.</summary>
    internal static bool IsRefusal(Exception error) => error is IOException or UnauthorizedAccessException or ArgumentOutOfRangeException { ParamName: "value" };

    // ENOSPC, EDQUOT, ERROR_DISK_FULL, and EFBIG.
    private static string Remedy(Exception error) => error.HResult is 28 or 122 or unchecked((int)0x80070070) || error is ArgumentOutOfRangeException
        ? "Make room there, or give a path elsewhere."
        : "Give a path in a folder that exists and can be written.";
}
