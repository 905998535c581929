using System.Diagnostics;

namespace FilterPruning.Reliability.Kills;

/// <summary>When a process is killed: after a time, or when it touches its result folder, where the interesting moments are short.</summary>
internal sealed class KillMoment
{
    private readonly double _seconds;
    private readonly int _event;
    private readonly int _spins;

    private KillMoment(double seconds, int number, int spins) => (_seconds, _event, _spins) = (seconds, number, spins);

    /// <summary>Whether it waits for a write.</summary>
    public bool AtWrite => _event > 0;

    /// <summary>Draws a moment: half of them a time up to a little over what the unbroken run took, half of them one of the writes and up to 3 ms more.</summary>
    public static KillMoment Draw(Random random, double seconds, int writes) => random.Next(2) == 0 && writes > 0
        ? new KillMoment(0, random.Next(writes) + 1, random.Next(3_000))
        : new KillMoment(random.NextDouble() * 1.15 * seconds, 0, 0);

    /// <summary>Waits for it, or for the end of the process.</summary>
    public void Wait(string folder, CancellationToken exited)
    {
        if (!AtWrite)
        {
            exited.WaitHandle.WaitOne(TimeSpan.FromSeconds(_seconds));
            return;
        }

        using var reached = CancellationTokenSource.CreateLinkedTokenSource(exited);
        using var watcher = Watch(folder, count =>
        {
            if (count == _event)
                reached.Cancel();
        });
        reached.Token.WaitHandle.WaitOne();
        var start = Stopwatch.GetTimestamp();
        while (!exited.IsCancellationRequested && Stopwatch.GetElapsedTime(start).TotalMicroseconds < _spins)
            Thread.SpinWait(20);
    }

    /// <summary>Counts what happens to the files of a folder.</summary>
    public static FileSystemWatcher Watch(string folder, Action<int> happened)
    {
        var count = 0;
        var watcher = new FileSystemWatcher(folder) { NotifyFilter = NotifyFilters.FileName | NotifyFilters.Size | NotifyFilters.LastWrite };
        FileSystemEventHandler tell = (_, _) => happened(Interlocked.Increment(ref count));
        watcher.Created += tell;
        watcher.Changed += tell;
        watcher.Deleted += tell;
        watcher.Renamed += (_, _) => happened(Interlocked.Increment(ref count));
        watcher.EnableRaisingEvents = true;
        return watcher;
    }
}
