using FilterPruning.Cli.Study;
using FilterPruning.Detection.Data;
using FilterPruning.Detection.Models;
using FilterPruning.Planning;
using FilterPruning.Storage;

namespace FilterPruning.Cli.Tests.Reliability;

/// <summary>What this machine cannot do today is not a result of a point.</summary>
public sealed class StudyFaultTests : IDisposable
{
    private const int Size = 64;

    private readonly Failing _treatment = new();
    private readonly StudyBench _bench;

    public StudyFaultTests()
    {
        var description = DetectorFile.Describe(SampleCheckpoint.Find())!;
        description = description with { Options = description.Options with { MinSize = Size, MaxSize = 2 * Size } };
        _bench = new StudyBench(Load(), Load(), description, StudyData.Open("shapescenes", 1, 1), latencyPairs: 0, _treatment);

        MaskRcnnModel Load()
        {
            var model = description.Create();
            DetectorFile.LoadWeights(model, SampleCheckpoint.Find());
            model.eval();
            return model;
        }
    }

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void A_full_disk_or_a_photo_that_is_gone_ends_the_run_and_an_impossible_plan_does_not()
    {
        var hash = _bench.ModelHash;
        foreach (var fault in new Exception[]
        {
            new ModelFileException(ModelFileErrorKind.WriteFailed, "x", "no space"),
            new PruningException("Sample 3 could not be loaded", new ImageException("gone")),
            new PruningException("a batch", new PruningException("a sample", new IOException("the disk is gone"))),
        })
        {
            _treatment.Fault = fault;
            Assert.Same(fault, Assert.ThrowsAny<PruningException>(() => Measure()));
            Assert.Equal(hash, _bench.ModelHash);
        }

        _treatment.Fault = new PruningException("nothing is left to train");
        Assert.Equal("nothing is left to train", Measure().Status);
        Assert.Equal(hash, _bench.ModelHash);
    }

    private StudyPoint Measure() => _bench.Measure(
        new StudyKey("shapescenes", "shapescenes", "0123456789ab", "l1", "local", "all", 0.3, null, "none", 0, FineTuned: true, 0, 1, Size), _ => { }, TestContext.Current.CancellationToken);

    private sealed class Failing : IStudyTreatment
    {
        public Exception Fault { get; set; } = new InvalidOperationException();

        public void Apply(MaskRcnnModel pruned, MaskRcnnModel dense, PruningPlan plan, double? budget, int seed, Action<double, string> report, CancellationToken cancellation) => throw Fault;
    }
}
