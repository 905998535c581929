namespace FilterPruning.Cli;

/// <summary>The limit on files of JSON lines, the results of studies.</summary>
internal static class ResultsFile
{
    /// <summary>The most bytes of a file: a point has about two thousand.</summary>
    public const long MaximumBytes = 512L << 20;

    /// <exception cref="ArgumentException">The file is larger.</exception>
    public static void CheckLength(string path, long bytes)
    {
        if (bytes > MaximumBytes)
            throw new ArgumentException($"'{path}' has {bytes} bytes; at most {MaximumBytes} are read. Give a results file, or split it.");
    }
}
