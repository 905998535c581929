using FilterPruning.Storage;

namespace FilterPruning.Cli;

/// <summary>Looks at where a result will go before minutes of work, not after.</summary>
internal static class OutputFile
{
    /// <summary>Checks that a file can be written.</summary>
    /// <param name="path">The file.</param>
    /// <param name="makeFolder">Whether its folder is made where it does not exist; otherwise that is an error.</param>
    /// <exception cref="ArgumentException">It cannot; says why.</exception>
    public static void Check(string path, bool makeFolder = false)
    {
        var folder = Path.GetDirectoryName(Path.GetFullPath(path));
        if (makeFolder && folder is not null)
            MakeFolder(folder);
        else if (!Directory.Exists(folder))
            throw new ArgumentException($"The folder '{folder}' for '{path}' does not exist. Create it first.");
        try
        {
            AtomicFile.CheckWritable(path);
        }
        catch (ModelFileException error)
        {
            throw new ArgumentException(error.Message, error);
        }
    }

    /// <summary>Makes a folder for results, and those above it, where there is none.</summary>
    /// <exception cref="ArgumentException">It cannot be made.</exception>
    public static void MakeFolder(string folder)
    {
        try
        {
            Directory.CreateDirectory(folder);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new ArgumentException($"The folder '{folder}' cannot be made: {error.Message} Give one in a place that can be written to.", error);
        }
    }
}
