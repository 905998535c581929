using BenchmarkDotNet.Attributes;
using FilterPruning.Kernels;

namespace FilterPruning.Benchmarks.Scoring;

/// <summary>
/// The L1 norm of every filter, by this library and by its peers on the same numbers, all on one thread.
/// <see cref="ReadBandwidth"/> is the floor: it only reads the same bytes.
/// </summary>
public class FilterNormBenchmarks
{
    private Tensor _weight = null!;
    private long[] _otherAxes = [];
    private float[] _norms = [];
    private ArrayPeers _peers = null!;

    public static IEnumerable<WeightShape> Shapes => WeightShape.MaskRcnn;

    [ParamsSource(nameof(Shapes))]
    public WeightShape Shape { get; set; } = null!;

    [GlobalSetup]
    public void Setup()
    {
        set_num_threads(1);
        using var generator = new torch.Generator(0);
        _weight = randn(Shape.Sizes, generator: generator);
        _otherAxes = [.. Enumerable.Range(1, Shape.Sizes.Length - 1).Select(axis => (long)axis)];
        _norms = new float[Shape.Sizes[0]];
        _peers = new ArrayPeers(_weight, 0);
    }

    [GlobalCleanup]
    public void Cleanup() => _weight.Dispose();

    [Benchmark(Baseline = true, Description = "abs().sum()")]
    public void AbsSum()
    {
        using var magnitudes = _weight.abs();
        using var norms = magnitudes.sum(_otherAxes);
    }

    [Benchmark(Description = "linalg.vector_norm")]
    public void VectorNorm()
    {
        using var norms = linalg.vector_norm(_weight, 1, _otherAxes);
    }

    [Benchmark(Description = "naive loop")]
    public float[] NaiveLoop() => _peers.Naive();

    [Benchmark(Description = "Math.NET ColumnNorms(1)")]
    public object MathNetColumns() => _peers.MathNet();

    [Benchmark(Description = "FilterNorms.L1")]
    public void Kernel()
    {
        using var norms = FilterNorms.L1(_weight);
    }

    [Benchmark(Description = "FilterNorms.L1 into a span")]
    public void KernelIntoSpan() => FilterNorms.L1(_weight, _norms);

    [Benchmark(Description = "read bandwidth")]
    public unsafe ulong ReadBandwidth() => ReadLimit.Wide((byte*)TensorBytes.Of(_weight), _weight.numel() * 4);
}
