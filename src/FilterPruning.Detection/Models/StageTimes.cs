using System.Diagnostics;

namespace FilterPruning.Detection.Models;

/// <summary>How long a detector spent in each stage, added up over the calls it was given to. Not safe for use by several threads at once.</summary>
public sealed class StageTimes
{
    private readonly TimeSpan[] _times = new TimeSpan[Enum.GetValues<DetectionStage>().Length];

    /// <summary>The time of one stage so far.</summary>
    public TimeSpan this[DetectionStage stage] => _times[(int)stage];

    /// <summary>The time of all stages so far.</summary>
    public TimeSpan Total => new(_times.Sum(time => time.Ticks));

    internal void Add(DetectionStage stage, TimeSpan time) => _times[(int)stage] += time;
}

/// <summary>Books the time since the last mark.</summary>
internal sealed class StageClock(StageTimes times)
{
    private long _last = Stopwatch.GetTimestamp();

    public void Mark(DetectionStage stage)
    {
        var now = Stopwatch.GetTimestamp();
        times.Add(stage, Stopwatch.GetElapsedTime(_last, now));
        _last = now;
    }
}
