using BenchmarkDotNet.Attributes;
using FilterPruning.Criteria;

namespace FilterPruning.Benchmarks.Scoring;

/// <summary>All filters of Mask R-CNN R50-FPN (44 million weights) in one call, beside reading those weights once.</summary>
public class ModelScoreBenchmarks
{
    private static readonly L1Criterion _criterion = new();
    private WholeModel _model = null!;

    [Params(1, 2)]
    public int Threads { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        set_num_threads(Threads);
        _model = new WholeModel();
    }

    [GlobalCleanup]
    public void Cleanup() => _model.Dispose();

    [Benchmark(Baseline = true, Description = "read the weights once")]
    public ulong Read() => _model.Read(ReadLimit.For(Threads)[0]);

    [Benchmark(Description = "ModelScores.Of")]
    public object Score() => ModelScores.Of(_model.Model, _criterion);
}
