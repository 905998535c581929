using BenchmarkDotNet.Attributes;

namespace FilterPruning.Benchmarks.Operators;

/// <summary>Each operator of the detector beside the same composed of torch operations, on the same inputs, with torch's number of threads.</summary>
public class OperatorBenchmarks
{
    private DisposeScope _inputs = null!;
    private OperatorCase _case = null!;

    public static IEnumerable<string> Cases => OperatorCases.All.Keys;

    [ParamsSource(nameof(Cases))]
    public string Case { get; set; } = "";

    [GlobalSetup]
    public void Setup()
    {
        _inputs = NewDisposeScope();
        _case = OperatorCases.All[Case]();
    }

    [GlobalCleanup]
    public void Cleanup() => _inputs.Dispose();

    [Benchmark(Baseline = true, Description = "composed")]
    public void Composed() => InScope(_case.Composed);

    [Benchmark(Description = "FilterPruning")]
    public void Ours() => InScope(_case.Ours);

    private static void InScope(Action action)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        action();
    }
}
