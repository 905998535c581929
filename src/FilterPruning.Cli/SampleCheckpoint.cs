namespace FilterPruning.Cli;

/// <summary>The trained checkpoint that comes with the tool.</summary>
internal static class SampleCheckpoint
{
    private const string FileName = "shapescenes.safetensors";

    public static string Find()
    {
        var path = Path.Combine(AppContext.BaseDirectory, "checkpoints", FileName);
        return File.Exists(path)
            ? path
            : throw new PruningException($"The sample checkpoint '{path}' is missing. Install the tool again, or build it from a complete checkout.");
    }
}
