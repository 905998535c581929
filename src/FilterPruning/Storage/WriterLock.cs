namespace FilterPruning.Storage;

/// <summary>
/// The right to write to a file that several runs may share, as a lock on a file beside it, <c>PATH.lock</c>. It goes away with its process, also with a killed one: the file then stays, empty and without lock, until the
/// next writer takes and removes it. (The file itself cannot be locked: on Unix that would shut out readers too.)
/// </summary>
internal sealed class WriterLock : IDisposable
{
    private readonly FileStream _file;

    private WriterLock(FileStream file) => _file = file;

    /// <summary>Takes the lock; null when another process, or another part of this one, has it.</summary>
    /// <exception cref="IOException">The folder does not exist, or refuses the lock's file.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder must not be written to.</exception>
    public static WriterLock? TryTake(string path)
    {
        try
        {
            return new WriterLock(new FileStream(path + ".lock", FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 1, FileOptions.DeleteOnClose));
        }
        catch (IOException error) when (error.HResult is 11 or 35 or unchecked((int)0x80070020))
        {
            return null; // EAGAIN on Linux, on macOS; ERROR_SHARING_VIOLATION
        }
    }

    public void Dispose() => _file.Dispose();
}
