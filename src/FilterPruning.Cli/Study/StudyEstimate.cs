namespace FilterPruning.Cli.Study;

/// <summary>How long points will take, from how long others took.</summary>
internal sealed class StudyEstimate
{
    // Seconds on 2 cores, to begin with: a raw point, what a repair adds, and a whole training.
    private static readonly (double Raw, double Repair, double Training) Scenes = (4, 12, 2400);
    private static readonly (double Raw, double Repair, double Training) Photos = (15, 40, 1000);

    private readonly Dictionary<(string Dataset, string Repair, double? Budget), (double Seconds, int Count)> _known = [];

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
        var (raw, repair, training) = key.Dataset == DataSource.ShapeScenesName ? Scenes : Photos;
        return raw + (key.Repair == StudyRepairs.None ? 0 : repair) + ((key.Budget ?? 0) * training);
    }

    private static (string Dataset, string Repair, double? Budget) KindOf(StudyKey key) => (key.Dataset, key.Repair, key.Budget);
}
