using System.Runtime.InteropServices;

namespace FilterPruning.Benchmarks.Goals;

/// <summary>
/// Which cores this process may use. <c>taskset -c 0,1 dotnet run …</c> is the plain way; <c>--cores 0,1</c> does the same from inside.
/// <see cref="System.Diagnostics.Process.ProcessorAffinity"/> moves only one thread on Linux, so every thread that exists is asked to move; later ones inherit.
/// </summary>
internal static partial class Cores
{
    private const int MaskBytes = 128;  // 1024 cores, as the C library has it

    /// <summary>Pins every thread of the process, and those they will start, to the cores.</summary>
    /// <exception cref="PruningException">The cores are not there, or the system is not Linux.</exception>
    public static unsafe void Pin(IReadOnlyCollection<int> cores)
    {
        if (!OperatingSystem.IsLinux())
            throw new PruningException("Pinning to cores is known for Linux only. Leave --cores out and start the process with the system's own tool.");
        var mask = stackalloc byte[MaskBytes];
        foreach (var core in cores)
        {
            if (core is < 0 or >= MaskBytes * 8)
                throw new PruningException($"There is no core {core}; allowed are 0 to {MaskBytes * 8 - 1}.");
            mask[core / 8] |= (byte)(1 << (core % 8));
        }

        foreach (var task in Directory.GetDirectories("/proc/self/task"))
        {
            if (SetAffinity(int.Parse(Path.GetFileName(task), System.Globalization.CultureInfo.InvariantCulture), MaskBytes, mask) != 0 && Directory.Exists(task))
                throw new PruningException($"The system refused to pin to cores {string.Join(",", cores)}; {Environment.ProcessorCount} are there. Name cores that this process may use.");
        }
    }

    /// <summary>The list of allowed cores as the system writes it (<c>0-1</c>), or how many there are.</summary>
    public static string Allowed() => File.Exists("/proc/self/status")
        ? File.ReadLines("/proc/self/status").FirstOrDefault(line => line.StartsWith("Cpus_allowed_list:", StringComparison.Ordinal))?.Split(':')[1].Trim() ?? Count()
        : Count();

    private static string Count() => Environment.ProcessorCount.ToString(System.Globalization.CultureInfo.InvariantCulture);

    [LibraryImport("libc", EntryPoint = "sched_setaffinity", SetLastError = true)]
    private static unsafe partial int SetAffinity(int thread, nint bytes, byte* mask);
}
