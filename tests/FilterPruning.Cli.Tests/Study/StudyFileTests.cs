using System.Text;
using FilterPruning.Cli.Study;

namespace FilterPruning.Cli.Tests.Study;

/// <summary>A results file survives a run that is killed at any moment: complete lines stay, the rest is kept aside, and the next run measures what is missing.</summary>
public sealed class StudyFileTests : IDisposable
{
    private static readonly IReadOnlyList<StudyKey> Points = Grids.Small.Points();

    private static readonly Dictionary<StudyKey, StudyPoint> Nothing = [];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    // Every append waits for the disk, so not every byte is tried: those around the ends of lines, and every 41st, which falls on all kinds of bytes.
    [Fact]
    public void A_run_that_was_killed_at_any_byte_is_completed_to_the_same_lines()
    {
        var points = Points.Take(3).ToList();
        var whole = _folder["whole.jsonl"];
        Run(whole, points);
        var bytes = File.ReadAllBytes(whole);
        var expected = File.ReadAllLines(whole);
        Assert.Equal(points.Count, expected.Length);
        int[] ends = [.. Enumerable.Range(0, bytes.Length).Where(index => bytes[index] == '\n')];

        foreach (var length in Enumerable.Range(0, bytes.Length + 1).Where(length => length % 41 == 0 || ends.Append(0).Any(end => Math.Abs(length - end) <= 2)))
        {
            var path = _folder["cut.jsonl"];
            File.WriteAllBytes(path, bytes[..length]);
            File.Delete(StudyFile.TornPath(path));
            var complete = bytes[..length].Count(value => value == '\n');

            var result = Run(path, points);

            Assert.Equal(points.Count - complete, result.Measured);
            Assert.Equal(complete, result.Skipped);
            Assert.Equal(expected, File.ReadAllLines(path));
            var torn = length - (Array.LastIndexOf(bytes, (byte)'\n', Math.Max(0, length - 1), length) + 1);
            Assert.Equal(torn > 0, File.Exists(StudyFile.TornPath(path)));
            if (torn > 0)
                Assert.Equal([.. bytes[(length - torn)..length], (byte)'\n'], File.ReadAllBytes(StudyFile.TornPath(path)));
        }
    }

    [Fact]
    public void A_measurement_that_throws_leaves_the_points_before_it()
    {
        var path = _folder["points.jsonl"];
        using (var file = StudyFile.Open(path))
        {
            Assert.Throws<OperationCanceledException>(() => StudyRun.Run(
                Points, file, (key, _) => key == Points[3] ? throw new OperationCanceledException() : Measured(key), Nothing, _ => { }, null, CancellationToken.None));
        }

        Assert.Equal(Points.Take(3), StudyFile.Read(path).Select(point => point.Key));
        Run(path, Points);
        Assert.Equal(Points, StudyFile.Read(path).Select(point => point.Key));
    }

    [Fact]
    public void Joined_shards_hold_what_one_run_does()
    {
        Run(_folder["one.jsonl"], Points);
        foreach (var shards in new[] { 2, 5 })
        {
            var joined = new List<string>();
            for (var shard = 1; shard <= shards; shard++)
            {
                var path = _folder[$"{shard}-of-{shards}.jsonl"];
                using var file = StudyFile.Open(path);
                StudyRun.Run([.. Grids.Small.Shared(shards).Where(point => point.Shard.Index == shard).Select(point => point.Key)], file, (key, _) => Measured(key), Nothing, _ => { }, null, CancellationToken.None);
                joined.Add(path);
            }

            Assert.Equal(File.ReadAllLines(_folder["one.jsonl"]), Join(joined, 0));
            // One shard was lost, another was killed in the middle of a line: what they had is measured again, in its place.
            var killed = StudyFile.Read(joined[0]).Count;
            File.AppendAllText(joined[0], "{\"dataset\": \"pen");
            var lost = StudyFile.Read(joined[1]).Count;
            Assert.True(killed > 0 && lost > 0);
            Assert.Equal(File.ReadAllLines(_folder["one.jsonl"]), Join([.. joined.Except([joined[1]])], lost));
        }

        string[] Join(IReadOnlyList<string> files, int expected)
        {
            File.Delete(_folder["joined.jsonl"]);
            using (var file = StudyFile.Open(_folder["joined.jsonl"]))
            {
                var result = StudyRun.Run(Points, file, (key, _) => Measured(key), StudyJoin.Read(files, Points).Points, _ => { }, null, CancellationToken.None);
                Assert.Equal((expected, Points.Count - expected), (result.Measured, result.Joined));
            }

            return File.ReadAllLines(_folder["joined.jsonl"]);
        }
    }

    [Fact]
    public void Files_that_disagree_or_are_not_there_are_not_joined()
    {
        Run(_folder["one.jsonl"], Points);
        File.WriteAllText(_folder["other.jsonl"], (Measured(Points[2]) with { MaskAP = 0.125 }).ToJson() + "\n");

        var error = Assert.Throws<ArgumentException>(() => StudyJoin.Read([_folder["one.jsonl"], _folder["other.jsonl"]], Points));
        Assert.Contains("0.125", error.Message, StringComparison.Ordinal);
        Assert.Contains("one.jsonl", error.Message, StringComparison.Ordinal);
        Assert.Contains("no file", Assert.Throws<ArgumentException>(() => StudyJoin.Read([_folder["none.jsonl"]], Points)).Message, StringComparison.Ordinal);
        // Points of another grid are counted and left out.
        Assert.Equal(Points.Count - 1, StudyJoin.Read([_folder["one.jsonl"]], [Points[0]]).Foreign);
    }

    [Fact]
    public void A_limit_stops_and_the_next_run_goes_on()
    {
        var path = _folder["points.jsonl"];
        var notes = new List<string>();
        using (var file = StudyFile.Open(path))
        {
            var result = StudyRun.Run(Points, file, (key, _) => Measured(key), Nothing, notes.Add, 2, CancellationToken.None);
            Assert.Equal(new StudyRunResult(Points.Count, 0, 2, 0, Points.Count - 2), result);
        }

        Assert.StartsWith($"[2/{Points.Count}]", notes[1], StringComparison.Ordinal);
        Assert.EndsWith("left", notes[1], StringComparison.Ordinal);
        Assert.Equal(Points.Count - 2, Run(path, Points).Measured);
    }

    [Fact]
    public void A_line_that_is_no_point_is_named_and_nothing_is_changed()
    {
        var path = _folder["points.jsonl"];
        File.WriteAllText(path, Measured(Points[0]).ToJson() + "\n{\"dataset\": 3}\n" + "torn");

        var error = Assert.Throws<ArgumentException>(() => StudyFile.Open(path));

        Assert.Contains("Line 2", error.Message, StringComparison.Ordinal);
        Assert.EndsWith("torn", File.ReadAllText(path), StringComparison.Ordinal);
        using var other = StudyFile.Open(_folder["other.jsonl"]);        // and the lock of the first is gone
        File.WriteAllText(path, "");
        StudyFile.Open(path).Dispose();
    }

    [Fact]
    public void Two_writers_at_once_are_refused_and_readers_are_not()
    {
        using var first = StudyFile.Open(_folder["points.jsonl"]);
        first.Append(Measured(Points[0]));
        Assert.Contains("Another process", Assert.Throws<ArgumentException>(() => StudyFile.Open(_folder["points.jsonl"])).Message, StringComparison.Ordinal);
        Assert.Single(StudyFile.Read(_folder["points.jsonl"]));
        Assert.Single(File.ReadAllLines(_folder["points.jsonl"]));
    }

    [Fact]
    public void A_point_reads_back_as_it_was_written()
    {
        var point = Measured(Points[^1]) with { Note = "„quoted“ ×", InputSize = [320, 448], ProofError = 1.25e-7, Seconds = new StudySeconds { Cut = 0.125, Total = 3 } };
        var json = point.ToJson();
        var read = StudyPoint.FromJson(Encoding.UTF8.GetBytes(json));

        Assert.DoesNotContain('\n', json);
        Assert.Equal(json, read.ToJson());
        Assert.Equal(point with { InputSize = read.InputSize }, read);
        Assert.Contains("\"maskAPSmall\":null", json, StringComparison.Ordinal);
        Assert.Contains("\"boxAP50\":", json, StringComparison.Ordinal);
        Assert.Contains("×", json, StringComparison.Ordinal);
    }

    private static StudyRunResult Run(string path, IReadOnlyList<StudyKey> points)
    {
        using var file = StudyFile.Open(path);
        return StudyRun.Run(points, file, (key, _) => Measured(key), Nothing, _ => { }, null, TestContext.Current.CancellationToken);
    }

    private static StudyPoint Measured(StudyKey key) =>
        StudyPoint.Of(key) with { Status = StudyPoint.Measured, MaskAP50 = 1 - (key.Ratio ?? 0.5), Compression = 1.5, Note = "Größe ×", Seconds = new StudySeconds { Total = 2 } };
}
