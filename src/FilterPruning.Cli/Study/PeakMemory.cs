using System.Globalization;

namespace FilterPruning.Cli.Study;

/// <summary>The process's high-water mark of resident memory since a moment. Linux only: elsewhere it cannot be set back, and the figure would be another point's.</summary>
internal static class PeakMemory
{
    /// <summary>Sets the mark to what is used now; false where the system does not allow it.</summary>
    public static bool Reset()
    {
        if (!OperatingSystem.IsLinux())
            return false;
        try
        {
            File.WriteAllText("/proc/self/clear_refs", "5");
            return true;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>The mark in bytes; null where the system does not tell.</summary>
    public static long? Read()
    {
        if (!OperatingSystem.IsLinux())
            return null;
        const string label = "VmHWM:";
        var line = File.ReadLines("/proc/self/status").FirstOrDefault(line => line.StartsWith(label, StringComparison.Ordinal));
        return line is not null && long.TryParse(line.AsSpan(label.Length).Trim().TrimEnd("kB").Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var kibibytes) ? kibibytes * 1024 : null;
    }
}
