using FilterPruning.Cli.Study;
using FilterPruning.Schedules;

namespace FilterPruning.Cli.Tests.Study;

internal static class Grids
{
    public static StudyGrid Whole { get; } = new()
    {
        Dataset = "pennfudan",
        Model = "maskrcnn_resnet50_fpn",
        Checkpoint = "0123456789ab",
        EvalImages = 25,
        EvalSize = 320,
        Criteria = ["l1", "gram", "random", "l2"],
    };

    public static StudyGrid Small { get; } = Whole with { Criteria = ["l1", "random"], Seeds = [0, 1], Scopes = ["local", "global-raw"], Ratios = [0, 0.5], Targets = ["macs:0.5"] };
}

/// <summary>Which points there are, in which order, and how they are shared out.</summary>
public sealed class StudyGridTests
{
    [Fact]
    public void The_whole_grid_is_every_combination_and_the_unpruned_model_once()
    {
        var points = Grids.Whole.Points();

        // l1, fpgm, l2 and three seeds of random; three scopes; nine ratios; raw and repaired.
        Assert.Equal(1 + (6 * 3 * 9 * 2), points.Count);
        Assert.Equal(points.Count, points.Distinct().Count());
        Assert.True(points[0].IsDense);
        Assert.Single(points, point => point.IsDense);
        Assert.Equal(9, points.Count(point => point is { Criterion: "random", Seed: 2, Scope: "local", Repair: "none" }));
        Assert.All(points.Where(point => point.Criterion != "random"), point => Assert.Equal(0, point.Seed));
        Assert.All(points, point => Assert.Equal(point.Repair == "none" ? 0 : 64, point.Images));
    }

    [Fact]
    public void Every_cut_is_fine_tuned_for_every_budget_after_it_was_measured_without()
    {
        var grid = Grids.Whole with { Criteria = ["l1"], Scopes = ["local"], Ratios = [0, 0.5], Budgets = [0.25, 0.5] };
        Assert.Equal(
            [(0.0, "none", null), (0.5, "none", null), (0.5, "least-squares", null), (0.5, "none", 0.25), (0.5, "least-squares", 0.25), (0.5, "none", 0.5), (0.5, "least-squares", 0.5)],
            grid.Points().Select(key => (key.Ratio!.Value, key.Repair, key.Budget)));
        Assert.All(grid.Points(), key => Assert.Equal(key.Budget is not null, key.FineTuned));
    }

    [Fact]
    public void The_most_informative_points_come_first()
    {
        var points = Grids.Whole.Points();

        Assert.All(points.Skip(1).Take(18), point => Assert.Equal(("l1", "local"), (point.Criterion, point.Scope)));
        Assert.Equal([(0.1, "none"), (0.1, "least-squares"), (0.2, "none")], points.Skip(1).Take(3).Select(point => (point.Ratio!.Value, point.Repair)));
        (string, string, int)[] series = [.. points.Skip(1).Select(point => (point.Criterion, point.Scope, point.Seed)).Distinct()];
        Assert.Equal([("l1", "local", 0), ("l1", "global-normalised", 0), ("gram", "local", 0), ("l1", "global-raw", 0), ("gram", "global-normalised", 0), ("random", "local", 0)], series.Take(6));
        Assert.Equal(("random", "global-raw", 2), series[^1]);
        Assert.Equal(points, Grids.Whole.Points());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(7)]
    public void Shards_are_disjoint_and_complete_and_keep_sisters_together(int shards)
    {
        var points = Grids.Whole.Points();
        var shared = Grids.Whole.Shared(shards);
        Assert.Equal(points, shared.Select(point => point.Key));
        var shardOf = shared.ToDictionary(point => point.Key, point => point.Shard);

        Assert.All(points.Where(key => key.Repair != "none"), key => Assert.Equal(shardOf[key with { Repair = "none", Images = 0 }], shardOf[key]));
        var plans = points.Select(key => key.PlanText).Distinct().Count();
        var sizes = shared.GroupBy(point => point.Shard).Select(shard => shard.Select(point => point.Key.PlanText).Distinct().Count()).ToList();
        Assert.Equal((shards, plans), (sizes.Count, sizes.Sum()));
        Assert.InRange(sizes.Max() - sizes.Min(), 0, 1);
    }

    [Theory]
    [InlineData("0,1", "--ratios", "1")]
    [InlineData("0.1,-0.2", "--ratios", "-0.2")]
    [InlineData("0.1,,0.2", "--ratios", "empty")]
    [InlineData("half", "--ratios", "half")]
    public void Wrong_ratios_are_named(string text, params string[] words)
    {
        var error = Assert.Throws<ArgumentException>(() => StudyLists.Ratios(text));
        Assert.All(words, word => Assert.Contains(word, error.Message, StringComparison.Ordinal));
    }

    [Fact]
    public void Lists_and_shards_are_read()
    {
        Assert.Equal([0.3, 0.1], StudyLists.Ratios("0.3, 0.1,0.30"));
        Assert.Equal([5, 0], StudyLists.Seeds("5,0"));
        Assert.Equal(["macs:0.5", "parameters:1000000"], StudyLists.Targets("MACS:50%,parameters:1M,macs:0.5"));
        Assert.Equal(new Shard(2, 3), StudyLists.Shard("2/3"));
        foreach (var wrong in new[] { "0/2", "3/2", "1", "a/b", "1/2/3", "-1/2" })
            Assert.Contains(wrong, Assert.Throws<ArgumentException>(() => StudyLists.Shard(wrong)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_scope_may_have_a_floor()
    {
        var options = StudyScopes.Apply("global-raw+floor:0.1", new Planning.PruningOptions());
        Assert.Equal((Planning.PruningScope.Global, 0.9), (options.Scope, options.MaximumLayerRatio));
        Assert.Equal(1, StudyScopes.Apply("global-raw", new Planning.PruningOptions()).MaximumLayerRatio);
        Assert.Equal(Planning.ScoreNormalization.Mean, StudyScopes.Apply("global-normalised", new Planning.PruningOptions()).Normalization);
        foreach (var wrong in new[] { "globule", "local+floor:2", "local+floor:", "local+roof:0.1" })
            Assert.Contains(wrong, Assert.Throws<ArgumentException>(() => StudyScopes.Apply(wrong, new Planning.PruningOptions())).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_time_left_is_learned_from_points_of_the_same_kind()
    {
        var points = Grids.Whole.Points();
        var (raw, repaired) = (points[1], points[2]);
        var estimate = new StudyEstimate([Took(raw, 10), Took(points[3], 20), Took(repaired, 90) with { Status = "Failed." }]);

        Assert.Equal(15, estimate.Of(points[5]));
        Assert.True(estimate.Of(repaired) < 90, "A point that failed says nothing about those that do not.");
        estimate.Add(Took(repaired, 100));
        Assert.Equal(100, estimate.Of(points[4]));

        static StudyPoint Took(StudyKey key, double seconds) => StudyPoint.Of(key) with { Status = StudyPoint.Measured, Seconds = new StudySeconds { Total = seconds } };
    }
}
