using System.Numerics;
using System.Runtime.InteropServices;
using BenchmarkDotNet.Attributes;
using FilterPruning.Kernels;
using ColumnMatrix = MathNet.Numerics.LinearAlgebra.Matrix<float>;

namespace FilterPruning.Benchmarks;

/// <summary>
/// The L1 norm of every filter, by this library and by its peers on the same numbers, all on one thread.
/// <see cref="ReadBandwidth"/> is the floor: it only adds up the same bytes.
/// </summary>
public class FilterNormBenchmarks
{
    private Tensor _weight = null!;
    private long[] _otherAxes = [];
    private float[] _numbers = [];
    private float[] _norms = [];
    private ColumnMatrix _columns = null!;

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
        _numbers = _weight.data<float>().ToArray();
        _norms = new float[Shape.Sizes[0]];

        // Math.NET stores columns one after another, so a filter is a column.
        _columns = ColumnMatrix.Build.Dense(_numbers.Length / _norms.Length, _norms.Length, _numbers);
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
    public float[] NaiveLoop()
    {
        var length = _numbers.Length / _norms.Length;
        for (var f = 0; f < _norms.Length; f++)
        {
            double sum = 0;
            foreach (var number in _numbers.AsSpan(f * length, length))
                sum += Math.Abs(number);
            _norms[f] = (float)sum;
        }

        return _norms;
    }

    [Benchmark(Description = "Math.NET ColumnNorms(1)")]
    public object MathNetColumns() => _columns.ColumnNorms(1);

    [Benchmark(Description = "FilterNorms.L1")]
    public void Kernel()
    {
        using var norms = FilterNorms.L1(_weight);
    }

    [Benchmark(Description = "read bandwidth")]
    public ulong ReadBandwidth()
    {
        var words = MemoryMarshal.Cast<float, Vector<ulong>>(_numbers.AsSpan());
        Vector<ulong> a = default, b = default, c = default, d = default;
        for (var i = 0; i <= words.Length - 4; i += 4)
        {
            a += words[i];
            b += words[i + 1];
            c += words[i + 2];
            d += words[i + 3];
        }

        return Vector.Sum(a + b + c + d);
    }
}
