namespace FilterPruning.Cli.Tests;

/// <summary>Data sets that are not part of the project; tests that need them are skipped where they are not at hand.</summary>
internal static class DevelopmentData
{
    /// <summary>The path of a file or folder under FILTERPRUNING_DATA; skips the running test if there is none.</summary>
    public static string Find(string relative)
    {
        var root = Environment.GetEnvironmentVariable("FILTERPRUNING_DATA");
        Assert.SkipWhen(string.IsNullOrEmpty(root), "FILTERPRUNING_DATA is not set.");
        var path = Path.Combine(root!, relative);
        Assert.SkipUnless(File.Exists(path) || Directory.Exists(path), $"FILTERPRUNING_DATA has no {relative}.");
        return path;
    }
}
