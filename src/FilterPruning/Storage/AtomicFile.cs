namespace FilterPruning.Storage;

/// <summary>Writes a file beside its target and renames it when it is complete, so that a reader sees the old file or the new one and never a half.</summary>
internal static class AtomicFile
{
    /// <exception cref="ModelFileException">The file system refused (<see cref="ModelFileErrorKind.WriteFailed"/>); whatever was at the path is unchanged.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        // The process number keeps two writers of one target apart; it leaves no trace in the result.
        var partial = $"{path}.{Environment.ProcessId}.partial";
        var created = false;
        try
        {
            using (var stream = new FileStream(partial, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 1 << 16))
            {
                created = true;
                write(stream);
                stream.Flush(flushToDisk: true);
            }

            File.Move(partial, path, overwrite: true);
            created = false;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new ModelFileException(
                ModelFileErrorKind.WriteFailed, path, $"cannot write: {error.Message} Give a path in a folder that exists and can be written; what was there before is unchanged.", error);
        }
        finally
        {
            if (created)
                File.Delete(partial);
        }
    }
}
