using System.Globalization;

namespace FilterPruning.Cli;

/// <summary>
/// A file in the system's temporary folder that goes away when it is disposed. What a killed process left there is removed by the next process that makes one: beside each file lies a lock that only a
/// living process holds.
/// </summary>
internal sealed class ScratchFile : IDisposable
{
    private const string Prefix = "filter-pruning-scratch-", LockEnd = ".lock";
    private static int _count;

    private readonly FileStream _lock;

    public ScratchFile()
    {
        RemoveLeftovers(System.IO.Path.GetTempPath());
        Path = System.IO.Path.Combine(System.IO.Path.GetTempPath(), string.Create(CultureInfo.InvariantCulture, $"{Prefix}{Environment.ProcessId}-{Interlocked.Increment(ref _count)}"));
        _lock = new FileStream(Path + LockEnd, FileMode.Create, FileAccess.ReadWrite, FileShare.None, bufferSize: 1, FileOptions.DeleteOnClose);
    }

    /// <summary>Where it is; there is no file yet.</summary>
    public string Path { get; }

    public void Dispose()
    {
        File.Delete(Path);
        _lock.Dispose();
    }

    /// <summary>Removes the files of processes that are no more.</summary>
    internal static void RemoveLeftovers(string folder)
    {
        foreach (var locked in Directory.EnumerateFiles(folder, Prefix + "*" + LockEnd))
        {
            try
            {
                using var taken = new FileStream(locked, FileMode.Open, FileAccess.ReadWrite, FileShare.None, bufferSize: 1, FileOptions.DeleteOnClose);
                foreach (var left in Directory.EnumerateFiles(folder, System.IO.Path.GetFileName(locked)[..^LockEnd.Length] + "*").Where(file => file != locked))
                    File.Delete(left);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                // In use, or another user's.
            }
        }
    }
}
