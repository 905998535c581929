using FilterPruning.Cli.Study;
using FilterPruning.Detection.Models;
using FilterPruning.Planning;

namespace FilterPruning.Cli.Tests.Study;

/// <summary>Points are measured one after another on one model, which is put back to the last bit between them.</summary>
public sealed class StudyBenchTests(StudyBenchTests.Traced traced) : IClassFixture<StudyBenchTests.Traced>
{
    private const int Size = 96;
    private readonly StudyBench _bench = traced.Bench;
    private readonly string _hash = traced.Hash;

    [Fact]
    public void A_raw_and_a_repaired_point_have_every_figure_and_leave_the_model_as_it_was()
    {
        var dense = Measure(Key("any", 0));
        var raw = Measure(Key("l1", 0.5));
        var repaired = Measure(Key("l1", 0.5) with { Repair = "least-squares", Images = 2 });

        foreach (var point in new[] { dense, raw, repaired })
        {
            Assert.Equal(StudyPoint.Measured, point.Status);
            Assert.True(point is { MaskAP50: not null, BoxAP: not null, MatchRate: not null, MaskAP50Low: not null, FileBytes: > 0, LatencyP50: > 0, DenseLatencyP95: > 0, Macs: > 0 });
            Assert.True(point.MaskAP50Low <= point.MaskAP50High);
            Assert.True(point.Seconds is { Evaluate: > 0, Latency: > 0, Total: > 0 });
            Assert.Equal(dense.Parameters, point.ParametersDense);
            Assert.Equal([Size, Size], point.InputSize!);
        }

        Assert.Equal((1.0, 0), (dense.Compression, dense.FiltersRemoved));
        Assert.Equal(dense.FileBytes, dense.FileBytesDense);
        Assert.True(raw.FileBytes < 0.5 * raw.FileBytesDense && raw.Macs < raw.MacsDense && raw.Compression > 2);
        Assert.Equal((raw.Parameters, raw.Macs, raw.Filters, raw.FiltersRemoved), (repaired.Parameters, repaired.Macs, repaired.Filters, repaired.FiltersRemoved));
        Assert.InRange(raw.FiltersRemoved!.Value, 0.45 * raw.Filters!.Value, 0.5 * raw.Filters.Value);
        Assert.InRange(repaired.ProofError!.Value, 0, 1e-4);
        Assert.True(raw.Seconds is { Score: >= 0, Plan: >= 0, Cut: >= 0, Prove: > 0, Repair: null } && repaired.Seconds.Repair > 0);
        Assert.True(repaired.MaskAP50 > raw.MaskAP50);
        Assert.Equal(PeakMemory.Reset(), raw.PeakMemoryBytes > 0);

        // The same point again, after others were cut and repaired in between: the same figures.
        var again = Measure(Key("l1", 0.5));
        Assert.Equal(raw with { LatencyP50 = 0, LatencyP95 = 0, DenseLatencyP50 = 0, DenseLatencyP95 = 0, PeakMemoryBytes = 0, Seconds = again.Seconds, InputSize = null },
            again with { LatencyP50 = 0, LatencyP95 = 0, DenseLatencyP50 = 0, DenseLatencyP95 = 0, PeakMemoryBytes = 0, InputSize = null });
    }

    [Fact]
    public void A_model_that_finds_nothing_is_a_result_too()
    {
        var point = Measure(Key("random", 0.9) with { Scope = "global-raw" });
        Assert.Equal(StudyPoint.Measured, point.Status);
        Assert.InRange(point.MaskAP50!.Value, 0, 0.1);
        Assert.True(point.MatchRate is >= 0 and < 0.1);
    }

    [Fact]
    public void What_cannot_be_planned_says_why()
    {
        var byTarget = Key("l1", 0.5) with { Ratio = null };
        var point = Measure(byTarget with { Target = "macs:0.000001" });
        Assert.Contains("macs:", point.Status, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', point.Status);
        Assert.Null(point.MaskAP50);
        Assert.Equal(StudyPoint.Measured, Measure(byTarget with { Target = "macs:0.5" }).Status);
    }

    [Fact]
    public void A_fine_tuned_point_is_treated_after_the_cut_and_taken_back()
    {
        var plain = Measure(Key("l1", 0.2));
        var tuned = Measure(Key("l1", 0.2) with { FineTuned = true });
        Assert.Equal(StudyPoint.Measured, tuned.Status);
        Assert.True(tuned.Seconds.Treat > 0);
        Assert.NotEqual(plain.MaskAP50, tuned.MaskAP50);
        Assert.Equal(plain.Parameters, tuned.Parameters);

    }

    [Theory]
    [InlineData("collecting")]
    [InlineData("repairing")]
    [InlineData("cutting")]
    [InlineData("evaluating")]
    public void A_cancelled_point_leaves_the_model_as_it_was(string step)
    {
        using var stop = new CancellationTokenSource();
        Assert.ThrowsAny<OperationCanceledException>(() => _bench.Measure(
            Key("l1", 0.4) with { Repair = "least-squares", Images = 2 },
            about =>
            {
                if (about.StartsWith(step, StringComparison.Ordinal))
                    stop.Cancel();
            },
            stop.Token));
        Assert.Equal(_hash, _bench.ModelHash);
    }

    private StudyPoint Measure(StudyKey key)
    {
        var point = _bench.Measure(key, _ => { }, TestContext.Current.CancellationToken);
        Assert.Equal(_hash, _bench.ModelHash);
        return point;
    }

    private static StudyKey Key(string criterion, double ratio) =>
        new("shapescenes", "shapescenes", "0123456789ab", criterion, ratio == 0 ? "any" : "local", "all", ratio, null, "none", 0, FineTuned: false, 0, 4, Size);

    [Theory]
    [InlineData("gram", "least-squares-channels")]
    [InlineData("random", "bias")]
    [InlineData("fpgm", "data-free")]
    public void Every_criterion_and_repair_is_measured_and_taken_back(string criterion, string repair)
    {
        var point = Measure(Key(criterion, 0.3) with { Repair = repair, Images = StudyRepairs.NeedsPhotos(repair) ? 2 : 0, Seed = 1 });
        Assert.Equal(StudyPoint.Measured, point.Status);
        Assert.True(point.Seconds is { Score: >= 0, Repair: > 0 });      // random scores take less than a millisecond
        Assert.Equal(repair == "data-free", point.Seconds.Collect is null);
    }

    /// <summary>One model for all tests: each leaves it as it was.</summary>
    public sealed class Traced : IDisposable
    {
        public Traced() => Hash = Bench.ModelHash;

        internal StudyBench Bench { get; } = MakeBench();

        internal string Hash { get; }

        public void Dispose() => Bench.Dispose();
    }

    private static StudyBench MakeBench()
    {
        var description = DetectorFile.Describe(SampleCheckpoint.Find())!;
        description = description with { Options = description.Options with { MinSize = Size, MaxSize = 2 * Size } };
        return new StudyBench(Load(), Load(), description, StudyData.Open("shapescenes", 4, 2), latencyPairs: 1, new Scaling());

        MaskRcnnModel Load()
        {
            var model = description.Create();
            DetectorFile.LoadWeights(model, SampleCheckpoint.Find());
            model.eval();
            return model;
        }
    }

    /// <summary>Stands for a fine-tuner: changes every weight and leaves the model in training mode.</summary>
    private sealed class Scaling : IStudyTreatment
    {
        public void Apply(MaskRcnnModel pruned, MaskRcnnModel dense, PruningPlan plan, double? budget, int seed, Action<double, string> report, CancellationToken cancellation)
        {
            using var noGrad = no_grad();
            foreach (var parameter in pruned.parameters())
                parameter.mul_(0.5);
            pruned.train();
        }
    }
}
