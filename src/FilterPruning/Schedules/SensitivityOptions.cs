using FilterPruning.Planning;

namespace FilterPruning.Schedules;

/// <summary>How a model's sensitivity is scanned. Immutable.</summary>
public sealed record SensitivityOptions
{
    /// <summary>
    /// Which channels may go and in which order: criterion, normalization, reduction, multiples, floors, ignored and frozen layers. Its ratio, target, scope and
    /// layer ratios are not used. Default: those of <see cref="PruningOptions"/>.
    /// </summary>
    public PruningOptions Pruning { get; init; } = new();

    /// <summary>The shares that each role loses, alone: ascending, above 0 and below 1. Default 0.1, 0.2, … 0.9.</summary>
    public IReadOnlyList<double> Ratios { get; init; } = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

    /// <summary>
    /// A file of JSON lines that every point is added to as soon as it is measured, and that an interrupted scan goes on from. A file of another model,
    /// other options or another <see cref="Label"/> is refused. Null, the default, keeps nothing.
    /// </summary>
    public string? File { get; init; }

    /// <summary>
    /// Files of the same scan, of other processes or earlier runs: their points are taken as they are, and are added to <see cref="File"/>. So the files of all shards become one, and what a
    /// lost shard should have measured is measured now. A last line that a killed run left unfinished is passed over. Default none.
    /// </summary>
    public IReadOnlyList<string> Join { get; init; } = [];

    /// <summary>Scan only this part of the roles (they are dealt out in data order), with a <see cref="File"/> of its own; null, the default, scans all. What comes back is then part of a scan, to be joined with the others.</summary>
    public Shard? Shard { get; init; }

    /// <summary>What the metric measures, on which data: a name of your own that a resumed scan must repeat. Default empty.</summary>
    public string Label { get; init; } = "";

    /// <summary>Told after each point; may be null.</summary>
    public IProgress<SensitivityProgress>? Progress { get; init; }

    /// <summary>Throws one exception that lists everything that is wrong.</summary>
    internal void Validate()
    {
        var errors = Pruning is null ? [$"{nameof(Pruning)} is null; allowed are pruning options. Leave it out for the defaults."] : Pruning.Violations();
        if (Ratios is null || Ratios.Count == 0)
            errors.Add($"{nameof(Ratios)} is empty; allowed is at least one ratio. Leave it out to scan 0.1, 0.2, … 0.9.");
        else if (Ratios.Any(ratio => !(ratio > 0 && ratio < 1)) || Ratios.Zip(Ratios.Skip(1)).Any(pair => pair.First >= pair.Second))
            errors.Add($"{nameof(Ratios)} is [{string.Join(", ", Ratios)}]; allowed are ratios above 0 and below 1 that ascend. Sort them and leave out 0.");
        if (Label is null)
            errors.Add($"{nameof(Label)} is null; allowed is any text. Leave it out for none.");
        if (File is { Length: 0 })
            errors.Add($"{nameof(File)} is empty; allowed is a path, or null. Leave it out to keep nothing.");
        if (Join is null || Join.Any(string.IsNullOrEmpty))
            errors.Add($"{nameof(Join)} is null or names an empty path; allowed are paths of files of the same scan. Leave it out to join nothing.");
        else if (File is not null && Join.Any(path => Path.GetFullPath(path) == Path.GetFullPath(File)))
            errors.Add($"{nameof(Join)} names '{File}', which is {nameof(File)} too; its points are there already. Leave it out of {nameof(Join)}.");
        if (Shard is { Count: < 1 })
            errors.Add($"{nameof(Shard)} is the default value, which holds nothing; allowed is part i of n, new Shard(i, n). Leave it out to scan all roles.");
        LayerPattern.ThrowAll(errors);
    }
}

/// <summary>Progress of a scan.</summary>
/// <param name="Point">The point just measured, or found in the file.</param>
/// <param name="Done">Points known so far.</param>
/// <param name="Total">Points of the scan.</param>
public readonly record struct SensitivityProgress(SensitivityPoint Point, int Done, int Total);
