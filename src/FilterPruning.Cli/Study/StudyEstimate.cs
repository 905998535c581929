namespace FilterPruning.Cli.Study;

/// <summary>How long points will take, from how long others took.</summary>
internal sealed class StudyEstimate
{
    // Seconds on 2 cores, to begin with: a raw point, and what a repair adds.
    private static readonly (double Raw, double Repair) Scenes = (5, 10);
    private static readonly (double Raw, double Repair) Photos = (25, 45);

    private readonly Dictionary<(string Dataset, string Repair, bool FineTuned), (double Seconds, int Count)> _known = [];

    /// <param name="points">Points whose times are known.</param>
    public StudyEstimate(IEnumerable<StudyPoint> points)
    {
        foreach (var point in points)
            Add(point);
    }

    /// <summary>Learns from a point that was measured.</summary>
    public void Add(StudyPoint point)
    {
        if (point.Status != StudyPoint.Measured || point.Seconds.Total is not { } seconds)
            return;
        var (sum, count) = _known.GetValueOrDefault(KindOf(point.Key));
        _known[KindOf(point.Key)] = (sum + seconds, count + 1);
    }

    /// <summary>Seconds that a point will take.</summary>
    public double Of(StudyKey key)
    {
        if (_known.TryGetValue(KindOf(key), out var known))
            return known.Seconds / known.Count;
        var (raw, repair) = key.Dataset == DataSource.ShapeScenesName ? Scenes : Photos;
        return raw + (key.Repair == StudyRepairs.None ? 0 : repair);
    }

    private static (string Dataset, string Repair, bool FineTuned) KindOf(StudyKey key) => (key.Dataset, key.Repair, key.FineTuned);
}
