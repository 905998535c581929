using System.Diagnostics;
using System.Runtime.InteropServices;

namespace FilterPruning.Benchmarks.Speedup;

/// <summary>Milliseconds by the clock on the wall, or those that processors spent on this process: what to compare by, with one thread, on a machine that is busy with other work.</summary>
internal static partial class ProcessorClock
{
    private const int ProcessTime = 2;  // CLOCK_PROCESS_CPUTIME_ID of Linux

    /// <summary>Whether processor time counts.</summary>
    public static bool IsUsed { get; set; }

    public static double Now => IsUsed ? Processor() : Stopwatch.GetTimestamp() * (1000.0 / Stopwatch.Frequency);

    private static double Processor() => GetTime(ProcessTime, out var time) == 0 ? (time.Seconds * 1e3) + (time.Nanoseconds / 1e6) : throw new PruningException("This system does not say how long a process ran. Leave --processor-time out.");

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int GetTime(int clock, out TimeSpec time);

    [StructLayout(LayoutKind.Sequential)]
    private readonly struct TimeSpec
    {
        public readonly long Seconds;
        public readonly long Nanoseconds;
    }
}
