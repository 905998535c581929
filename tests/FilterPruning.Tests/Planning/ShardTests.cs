using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Schedules;
using FilterPruning.Tests.Storage;
using TorchSharp.Modules;

namespace FilterPruning.Tests.Planning;

/// <summary>A scan in parts is the scan in one.</summary>
public sealed class ShardTests : IDisposable
{
    private const int Shards = 4;

    private readonly TemporaryFolder _folder = new();
    private readonly Sequential _model = Chain();
    private readonly DependencyGraph _graph;

    public ShardTests() => _graph = DependencyGraph.Trace(_model, ones(1, 3));

    public void Dispose()
    {
        _model.Dispose();
        _folder.Dispose();
    }

    // Nine roles of eight channels each.
    private static Sequential Chain()
    {
        random.manual_seed(3);
        return nn.Sequential([.. Enumerable.Range(0, 10).Select(i => ($"layer{i}", (nn.Module<Tensor, Tensor>)nn.Linear(i == 0 ? 3 : 8, i == 9 ? 2 : 8)))]);
    }

    // Roles are layer0 … layer8.
    private static int PartOf(SensitivityPoint point) => ((point.Role[^1] - '0') % Shards) + 1;

    private SensitivityOptions Options(string file) => new() { Ratios = [0.25, 0.5], Label = "sum", File = _folder[file] };

    private SensitivityResult Scan(SensitivityOptions options, Action? look = null)
    {
        return SensitivityScan.Run(_graph, Metric, options);

        double Metric()
        {
            look?.Invoke();
            using var scope = NewDisposeScope();
            using var quiet = no_grad();
            return _model.call(ones(1, 3)).sum().item<float>();
        }
    }

    [Fact]
    public void Points_are_dealt_out_in_turn()
    {
        foreach (var count in new[] { 1, 2, 7 })
        {
            var parts = Enumerable.Range(1, count).Select(index => Enumerable.Range(0, 40).Where(new Shard(index, count).Holds).ToList()).ToList();
            Assert.Equal(Enumerable.Range(0, 40), parts.SelectMany(part => part).Order());
            Assert.All(parts, part => Assert.InRange(part.Count, 40 / count, (40 / count) + 1));
        }

        Assert.False(default(Shard).Holds(0));
        Assert.Equal("2/3", new Shard(2, 3).ToString());
        Assert.Equal(new Shard(2, 3), Shard.Parse("2/3"));
        Assert.All(["0/3", "4/3", "2", "a/b", "1/2/3", "-1/2", ""], text => Assert.Contains("1 <= i <= n", Assert.Throws<FormatException>(() => Shard.Parse(text)).Message, StringComparison.Ordinal));
        Assert.Throws<ArgumentOutOfRangeException>(() => new Shard(0, 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => new Shard(3, 2));
    }

    [Fact]
    public void Shards_join_to_the_file_of_one_process()
    {
        var whole = Scan(Options("whole.jsonl"));
        for (var index = 1; index <= Shards; index++)
        {
            var part = Scan(Options($"{index}.jsonl") with { Shard = new Shard(index, Shards) });
            Assert.Equal(whole.Points.Where(point => PartOf(point) == index), part.Points);
        }

        var all = Options("all.jsonl") with { Join = [.. Enumerable.Range(1, Shards).Select(index => _folder[$"{index}.jsonl"])] };
        Assert.Empty(SensitivityScan.Missing(_graph, all));
        Assert.False(File.Exists(_folder["all.jsonl"]));
        var joined = Scan(all, () => Assert.Fail("Nothing is left to be measured."));
        Assert.Equal(whole.Points, joined.Points);
        Assert.Equal(File.ReadAllText(_folder["whole.jsonl"]), File.ReadAllText(_folder["all.jsonl"]));
        Assert.Equal(whole.Points, SensitivityScan.Load(_folder["all.jsonl"]).Points);
    }

    [Fact]
    public void A_lost_shard_is_found_and_measured_again()
    {
        var whole = Scan(Options("whole.jsonl"));
        for (var index = 1; index <= Shards; index++)
            Scan(Options($"{index}.jsonl") with { Shard = new Shard(index, Shards) });
        // The second was lost; the third was killed in its last line, the fourth in its first.
        var third = File.ReadAllText(_folder["3.jsonl"]);
        File.WriteAllText(_folder["3.jsonl"], third[..^20]);
        File.WriteAllText(_folder["4.jsonl"], "{\"format\":");
        var lost = whole.Points.Where(point => PartOf(point) is 2 or 4).Select(point => (point.Role, point.Ratio)).ToList();
        lost.Add(whole.Points.Where(point => PartOf(point) == 3).Select(point => (point.Role, point.Ratio)).Last());
        var options = Options("all.jsonl") with { Join = [_folder["1.jsonl"], _folder["3.jsonl"], _folder["4.jsonl"]] };

        Assert.Equal(lost.Order(), SensitivityScan.Missing(_graph, options).Order());
        var measured = 0;
        Assert.Equal(whole.Points, Scan(options, () => measured++).Points);
        Assert.Equal(lost.Count, measured);
        Assert.Equal(File.ReadAllText(_folder["whole.jsonl"]), File.ReadAllText(_folder["all.jsonl"]));
        Assert.Equal(third[..^20], File.ReadAllText(_folder["3.jsonl"]));
        Assert.Empty(SensitivityScan.Missing(_graph, Options("all.jsonl")));
    }

    [Fact]
    public void Files_that_disagree_are_not_joined()
    {
        Scan(Options("whole.jsonl"));
        var text = File.ReadAllText(_folder["whole.jsonl"]);
        var lines = text.Split('\n');
        File.WriteAllText(_folder["point.jsonl"], $"{lines[0]}\n{lines[1][..lines[1].LastIndexOf(':')]}:17}}\n");
        Refused("17", "whole.jsonl", "point.jsonl");
        File.WriteAllText(_folder["base.jsonl"], $"{lines[0][..lines[0].LastIndexOf(':')]}:17}}\n");
        Refused("17", "whole.jsonl", "base.jsonl");
        File.WriteAllText(_folder["label.jsonl"], lines[0].Replace("\"sum\"", "\"mean\"", StringComparison.Ordinal) + "\n");
        Refused("the label", "label.jsonl");
        Refused("cannot be read", "none.jsonl");
        Assert.Equal(text, File.ReadAllText(_folder["whole.jsonl"]));
        Assert.Contains("which is File too", Assert.Throws<PruningOptionsException>(() => Scan(Options("whole.jsonl") with { Join = [_folder["whole.jsonl"]] })).Message, StringComparison.Ordinal);
        Assert.Contains("default value", Assert.Throws<PruningOptionsException>(() => Scan(Options("x.jsonl") with { Shard = default(Shard) })).Message, StringComparison.Ordinal);

        void Refused(string says, params string[] files)
        {
            Assert.Contains(says, Assert.Throws<PruningException>(() => Scan(Options("new.jsonl") with { Join = [.. files.Select(file => _folder[file])] })).Message, StringComparison.Ordinal);
            Assert.False(File.Exists(_folder["new.jsonl"]));
        }
    }
}
