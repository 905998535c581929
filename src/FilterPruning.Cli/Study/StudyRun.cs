using System.Diagnostics;
using System.Globalization;

namespace FilterPruning.Cli.Study;

/// <summary>What a run did.</summary>
/// <param name="Total">Points asked for.</param>
/// <param name="Skipped">Points that were in the file already.</param>
/// <param name="Measured">Points measured now.</param>
/// <param name="Failed">Those of them whose status says why there are no figures.</param>
/// <param name="Left">Points that were left for another time.</param>
/// <param name="Joined">Points taken from other files.</param>
internal sealed record StudyRunResult(int Total, int Skipped, int Measured, int Failed, int Left, int Joined = 0);

/// <summary>Measures what is missing in a file, point by point.</summary>
internal static class StudyRun
{
    /// <param name="points">What there is to be, in order.</param>
    /// <param name="file">What there is.</param>
    /// <param name="measure">Measures a point.</param>
    /// <param name="joined">Points of other files, which are taken as they are.</param>
    /// <param name="note">Told a line after each point.</param>
    /// <param name="limit">Stop after so many new points; null for all.</param>
    /// <param name="cancellation">Ends the run; the file then has all points that were completed.</param>
    /// <exception cref="OperationCanceledException">The run was cancelled.</exception>
    public static StudyRunResult Run(
        IReadOnlyList<StudyKey> points, StudyFile file, Func<StudyKey, CancellationToken, StudyPoint> measure, IReadOnlyDictionary<StudyKey, StudyPoint> joined, Action<string> note, int? limit,
        CancellationToken cancellation)
    {
        var unknown = points.Where(key => !file.Has(key)).ToList();
        var left = unknown.Where(key => !joined.ContainsKey(key)).ToList();
        var missing = left.Count;
        var (measured, failed, taken) = (0, 0, 0);
        var estimate = new StudyEstimate([.. file.Found, .. joined.Values]);
        foreach (var key in unknown)
        {
            cancellation.ThrowIfCancellationRequested();
            if (joined.TryGetValue(key, out var known))
            {
                file.Append(known);
                taken++;
                continue;
            }

            if (measured == limit)
                break;
            var start = Stopwatch.GetTimestamp();
            var point = measure(key, cancellation);
            file.Append(point);
            measured++;
            left.Remove(key);
            failed += point.Status == StudyPoint.Measured ? 0 : 1;
            estimate.Add(point with { Seconds = point.Seconds with { Total = point.Seconds.Total ?? Stopwatch.GetElapsedTime(start).TotalSeconds } });
            note($"[{points.Count - missing + measured}/{points.Count}] {Line(point)}; {Text(left.Sum(estimate.Of))} left");
        }

        return new StudyRunResult(points.Count, points.Count - unknown.Count, measured, failed, missing - measured, taken);
    }

    /// <summary>Seconds as people say them.</summary>
    public static string Text(double seconds) => TimeSpan.FromSeconds(seconds) switch
    {
        { TotalHours: >= 1 } time => string.Create(CultureInfo.InvariantCulture, $"{(int)time.TotalHours} h {time.Minutes:00} min"),
        { TotalMinutes: >= 1 } time => string.Create(CultureInfo.InvariantCulture, $"{time.Minutes} min {time.Seconds:00} s"),
        var time => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.0} s"),
    };

    private static string Line(StudyPoint point) => point.Status == StudyPoint.Measured
        ? string.Create(CultureInfo.InvariantCulture, $"{point.Key}: mask AP50 {Figure(point.MaskAP50)}, IoU@0.5 {Figure(point.IouAt50)}, match rate {Figure(point.MatchRate)}, compression {point.Compression:0.00}, {point.Seconds.Total:0.0} s")
        : $"{point.Key}: {point.Status}";

    private static string Figure(double? value) => value?.ToString("0.000", CultureInfo.InvariantCulture) ?? "–";
}
