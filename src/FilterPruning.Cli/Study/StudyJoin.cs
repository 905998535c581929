namespace FilterPruning.Cli.Study;

/// <summary>Points of other result files: those of other shards, or of an earlier run.</summary>
/// <param name="Points">By key, those that are asked for. Where several files have one, the first is taken: their accuracies are the same, their times need not be.</param>
/// <param name="Foreign">How many points of the files are not asked for.</param>
internal sealed record StudyJoin(IReadOnlyDictionary<StudyKey, StudyPoint> Points, int Foreign)
{
    /// <exception cref="ArgumentException">There is no such file, it holds a line that is no point, or two files have different accuracies for one point.</exception>
    public static StudyJoin Read(IReadOnlyList<string> files, IReadOnlyList<StudyKey> wanted)
    {
        var asked = wanted.ToHashSet();
        var found = new Dictionary<StudyKey, (StudyPoint Point, string File)>();
        var foreign = 0;
        foreach (var path in files)
        {
            if (!File.Exists(path))
                throw new ArgumentException($"There is no file '{path}'. Give the files of the shards with --join.");
            foreach (var point in StudyFile.Read(path))
            {
                if (!asked.Contains(point.Key))
                    foreign++;
                else if (!found.TryAdd(point.Key, (point, path)) && found[point.Key] is var (other, first) && !Agree(point, other))
                    throw new ArgumentException($"'{first}' and '{path}' both have '{point.Key}', with mask AP {other.MaskAP} and {point.MaskAP}. They come from different machines or versions: leave one of them out.");
            }
        }

        return new StudyJoin(found.ToDictionary(entry => entry.Key, entry => entry.Value.Point), foreign);
    }

    // What is measured, not what it took.
    private static bool Agree(StudyPoint one, StudyPoint other) =>
        (one.Status, one.MaskAP, one.BoxAP, one.IouAt50, one.Parameters, one.Macs) == (other.Status, other.MaskAP, other.BoxAP, other.IouAt50, other.Parameters, other.Macs);
}
