using BenchmarkDotNet.Attributes;
using FilterPruning.Kernels;

namespace FilterPruning.Benchmarks.Scoring;

/// <summary>The same for input channels, strided weights, half precision and two threads; and other norms beside L1.</summary>
public class NormVariantBenchmarks
{
    private Tensor _weight = null!;
    private Tensor _bytes = null!;
    private long[] _otherAxes = [];
    private float[] _norms = [];

    public static IEnumerable<NormCase> Cases => NormCase.Variants;

    [ParamsSource(nameof(Cases))]
    public NormCase Case { get; set; } = null!;

    [GlobalSetup]
    public void Setup()
    {
        set_num_threads(Case.Threads);
        _weight = Case.Make();
        _bytes = _weight.contiguous();
        _otherAxes = Case.OtherAxes;
        _norms = new float[_weight.size(Case.Axis)];
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _weight.Dispose();
        _bytes.Dispose();
    }

    [Benchmark(Baseline = true, Description = "abs().sum()")]
    public void AbsSum()
    {
        using var magnitudes = _weight.abs();
        using var norms = magnitudes.sum(_otherAxes);
    }

    [Benchmark(Description = "linalg.vector_norm 1")]
    public void VectorNorm1() => linalg.vector_norm(_weight, 1, _otherAxes).Dispose();

    [Benchmark(Description = "linalg.vector_norm 2")]
    public void VectorNorm2() => linalg.vector_norm(_weight, 2, _otherAxes).Dispose();

    [Benchmark(Description = "linalg.vector_norm 3")]
    public void VectorNorm3() => linalg.vector_norm(_weight, 3, _otherAxes).Dispose();

    [Benchmark(Description = "FilterNorms.L1")]
    public void L1() => FilterNorms.L1(_weight, _norms, Case.Axis);

    [Benchmark(Description = "FilterNorms.L2")]
    public void L2() => FilterNorms.L2(_weight, _norms, Case.Axis);

    [Benchmark(Description = "FilterNorms.Lp 3")]
    public void L3() => FilterNorms.Lp(_weight, 3, _norms, Case.Axis);

    [Benchmark(Description = "read bandwidth")]
    public unsafe ulong ReadBandwidth() => ReadLimit.For(Case.Threads)[0]((byte*)TensorBytes.Of(_bytes), _bytes.numel() * Case.ElementSize);
}
