using System.Text.Json.Nodes;

namespace FilterPruning.Reliability.Kills;

/// <summary>Results that are lines of JSON, one for each point, of which a killed run loses none.</summary>
internal abstract class LinesCase : KillCase
{
    private static readonly string[] Times = ["seconds", "peakMemoryBytes"];

    public override IReadOnlyList<string> Results => ["points.jsonl"];

    // Line ends: a line without one was not committed.
    public override int Progress(string folder) => Lines(folder).Count;

    public override string? AfterKill(string folder, string reference, int before)
    {
        var lines = Lines(folder);
        if (lines.Count < before)
            return $"of {before} lines {lines.Count} are left";
        return lines.SequenceEqual(Lines(reference).Take(lines.Count)) ? null : $"the {lines.Count} lines so far are not the unbroken run's";
    }

    public override string? AtEnd(string folder, string reference) =>
        Lines(folder).SequenceEqual(Lines(reference)) ? null : $"{Results[0]} differs from the unbroken run's in more than times: {Lines(folder).Count} lines, {Lines(reference).Count} there";

    private List<string> Lines(string folder)
    {
        var path = Path.Combine(folder, Results[0]);
        if (!File.Exists(path))
            return [];
        var text = File.ReadAllText(path);
        return [.. text[..(text.LastIndexOf('\n') + 1)].Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(WithoutTimes)];
    }

    private static string WithoutTimes(string line)
    {
        var json = JsonNode.Parse(line)!.AsObject();
        foreach (var name in Times)
            json.Remove(name);
        return json.ToJsonString();
    }
}

/// <summary>A study of a few points.</summary>
internal sealed class StudyCase : LinesCase
{
    public override string Name => "study";

    public override string[] Arguments(string folder) =>
        ["study", "--data", "shapescenes", "--weights", ToolProcess.Sample, "--size", "64", "--criteria", "l1", "--scopes", "local", "--ratios", "0,0.3,0.6", "--repairs", "none,least-squares", "--images", "2",
            "--eval-images", "2", "--latency-pairs", "0", "--out", Path.Combine(folder, Results[0])];
}

/// <summary>A part of a sensitivity scan.</summary>
internal sealed class ScanCase : LinesCase
{
    public override string Name => "scan";

    public override string[] Arguments(string folder) =>
        ["scan", "--weights", ToolProcess.Sample, "--data", "shapescenes", "--images", "2", "--size", "64", "--ratios", "0.3,0.6", "--shard", "1/6", "--out", Path.Combine(folder, Results[0])];
}
