using System.Globalization;
using System.Runtime.InteropServices;

namespace FilterPruning.Benchmarks.Speedup;

/// <summary>How far the resident memory of this process rises while something runs, by the system's own high-water mark. Linux only.</summary>
internal static partial class PeakMemory
{
    private const string ResetFile = "/proc/self/clear_refs";

    public static bool IsKnown => File.Exists(ResetFile);

    /// <summary>Bytes above what was resident before; what the C library kept of freed memory is handed back first. Null where the system does not say.</summary>
    public static long? RiseOf(Action work)
    {
        if (!IsKnown)
            return null;
        GC.Collect();
        _ = TrimHeap(0);
        File.WriteAllText(ResetFile, "5");
        var before = Kilobytes("VmRSS:");
        work();
        return (Kilobytes("VmHWM:") - before) * 1024;
    }

    private static long Kilobytes(string name) => long.Parse(
        File.ReadLines("/proc/self/status").First(line => line.StartsWith(name, StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);

    [LibraryImport("libc", EntryPoint = "malloc_trim")]
    private static partial int TrimHeap(nuint pad);
}
