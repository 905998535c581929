using System.Diagnostics;
using System.Globalization;

namespace FilterPruning.Detection.Onnx;

/// <summary>The folders in which several files are written beside their targets: <c>TARGET.PROCESS.partial</c>.</summary>
internal static class PartialFolders
{
    private const string Suffix = ".partial";

    /// <summary>This process's folder beside a target. The process number keeps two writers of one target apart.</summary>
    public static string Of(string target) => string.Create(CultureInfo.InvariantCulture, $"{target}.{Environment.ProcessId}{Suffix}");

    /// <summary>Removes those that killed processes left beside a target.</summary>
    public static void RemoveLeftovers(string target)
    {
        var full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(target));
        if (Path.GetDirectoryName(full) is not { } parent || !Directory.Exists(parent))
            return;
        foreach (var folder in Directory.EnumerateDirectories(parent, Path.GetFileName(full) + ".*" + Suffix))
        {
            var number = Path.GetFileName(folder.AsSpan())[(Path.GetFileName(full).Length + 1)..^Suffix.Length];
            if (!int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var process) || Lives(process))
                continue;
            try
            {
                Directory.Delete(folder, recursive: true);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                // Out of reach; the write itself says what is wrong.
            }
        }
    }

    private static bool Lives(int process)
    {
        try
        {
            using var found = Process.GetProcessById(process);
            return true;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }
}
