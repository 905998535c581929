namespace FilterPruning.PublicApi.Tests;

/// <summary>Finds files of the checkout that tests run from.</summary>
internal static class Repository
{
    /// <summary>The folder that holds the solution.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>An absolute path in the checkout.</summary>
    public static string PathOf(params string[] parts) => Path.Combine([Root, .. parts]);

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "FilterPruning.sln")))
                return folder.FullName;
        }

        throw new InvalidOperationException($"No FilterPruning.sln above {AppContext.BaseDirectory}: these tests run from a checkout.");
    }
}
