using FilterPruning.Kernels;
using FilterPruning.Storage;

namespace FilterPruning.Tests.Kernels;

public unsafe class FilterNormsTests
{
    // What the documentation promises of every result.
    private const double Tolerance = 1e-6;

    public static TheoryData<int> Lengths => [0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 147, 255, 256, 257, 1000, 4609, 100_003];

    private static Tensor Random(int seed, params long[] shape)
    {
        using var generator = new torch.Generator((ulong)seed);
        return randn(shape, generator: generator);
    }

    /// <summary>An independent path: libtorch in double precision over an index permutation made explicit.</summary>
    private static double[] Expected(Tensor weight, int axis, bool squares)
    {
        using var scope = NewDisposeScope();
        var wide = weight.detach().cpu().to(ScalarType.Float64);
        return [.. Enumerable.Range(0, (int)weight.shape[axis]).Select(f =>
        {
            var filter = wide.select(axis, f);
            return squares ? Math.Sqrt(filter.square().sum().item<double>()) : filter.abs().sum().item<double>();
        })];
    }

    private static void AssertNorms(Tensor weight, int axis)
    {
        foreach (var squares in new[] { false, true })
        {
            using var norms = squares ? FilterNorms.L2(weight, axis) : FilterNorms.L1(weight, axis);
            var expected = Expected(weight, axis, squares);
            Assert.Equal(ScalarType.Float32, norms.dtype);
            Assert.Equal([weight.shape[axis]], norms.shape);
            Assert.Equal(DeviceType.CPU, norms.device_type);
            var actual = norms.data<float>().ToArray();
            for (var f = 0; f < expected.Length; f++)
                Assert.InRange(actual[f], expected[f] * (1 - Tolerance), expected[f] * (1 + Tolerance));
        }
    }

    [Theory]
    [MemberData(nameof(Lengths))]
    public void Every_path_agrees_with_the_plain_loop_at_any_length_and_alignment(int length)
    {
        using var scope = NewDisposeScope();
        var numbers = Random(length, length + 3);
        for (var shift = 0; shift < 4; shift++)
        {
            var x = (float*)TensorMemory.Pointer(numbers) + shift;
            var n = Math.Min(length, length + 3 - shift);
            var magnitude = AbsoluteSum.OfScalar(x, n);
            var square = SquareSum.OfScalar(x, n);
            foreach (var sum in new[] { AbsoluteSum.Of(x, n), AbsoluteSum.OfVector(x, n), AbsoluteSum.OfVector512(x, n) })
                Assert.InRange(sum, magnitude * (1 - Tolerance), magnitude * (1 + Tolerance));
            foreach (var sum in new[] { SquareSum.Of(x, n), SquareSum.OfVector(x, n), SquareSum.OfVector512(x, n) })
                Assert.InRange(sum, square * (1 - Tolerance), square * (1 + Tolerance));
        }
    }

    [Theory]
    [MemberData(nameof(Lengths))]
    public void Nothing_behind_the_last_number_is_counted_and_no_number_is_left_out(int length)
    {
        // Powers of one number: the sum is exact, and any number left out or counted twice shows.
        var numbers = new float[length + 64];
        Array.Fill(numbers, -1f, 0, length);
        Array.Fill(numbers, float.NaN, length, 64);
        fixed (float* x = numbers)
        {
            foreach (var sum in new[] { AbsoluteSum.Of(x, length), AbsoluteSum.OfVector(x, length), AbsoluteSum.OfVector512(x, length), SquareSum.Of(x, length), SquareSum.OfVector(x, length), SquareSum.OfVector512(x, length) })
                Assert.Equal(length, sum);
        }
    }

    [Theory]
    [InlineData(0, 64, 3, 7, 7)]
    [InlineData(0, 5, 3, 3, 3)]
    [InlineData(1, 6, 10, 2, 2)]
    [InlineData(1, 3, 5, 1, 1)]
    [InlineData(1, 7, 33)]
    [InlineData(0, 7, 33)]
    [InlineData(-1, 7, 33)]
    [InlineData(1, 2, 2500, 3)]
    [InlineData(2, 4, 5, 17)]
    [InlineData(1, 9, 2051)]
    [InlineData(0, 11)]
    public void Any_axis_of_any_shape(int axis, params int[] shape)
    {
        using var scope = NewDisposeScope();
        var weight = Random(shape[0], [.. shape.Select(size => (long)size)]);
        Assert.True(FilterNorms.IsFast(weight));
        AssertNorms(weight, axis < 0 ? axis + shape.Length : axis);
        if (axis < 0)
            Assert.True(FilterNorms.L1(weight, axis).equal(FilterNorms.L1(weight, axis + shape.Length)).all().item<bool>());
    }

    [Fact]
    public void Other_types_strides_and_views_go_through_operators_and_agree()
    {
        using var scope = NewDisposeScope();
        var weight = Random(1, 8, 6, 3, 3);
        foreach (var other in new[]
        {
            weight.to(ScalarType.Float16), weight.to(ScalarType.BFloat16), weight.to(ScalarType.Float64),
            weight.transpose(0, 1), weight.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2), weight[.., 1..4],
        })
        {
            Assert.False(FilterNorms.IsFast(other));
            AssertNorms(other, 0);
            AssertNorms(other, 1);
        }

        AssertNorms(new TorchSharp.Modules.Parameter(weight.clone()), 0);
        AssertNorms(weight[2..5], 0);
    }

    [Fact]
    public void Half_precision_neither_overflows_nor_vanishes()
    {
        using var scope = NewDisposeScope();
        AssertNorms(full(2, 40000, 60000f, ScalarType.Float16), 0);
        AssertNorms(full(2, 100, 1e-4f, ScalarType.Float16), 0);
    }

    [Fact]
    public void Squares_of_large_and_small_floats_neither_overflow_nor_vanish()
    {
        using var scope = NewDisposeScope();
        Assert.Equal([3e30f, 3e-30f], FilterNorms.L2(tensor(new[,] { { 3e30f, 0 }, { 0, 3e-30f } })).data<float>().ToArray());
    }

    [Fact]
    public void Sizes_of_zero()
    {
        using var scope = NewDisposeScope();
        Assert.Equal([0f, 0f, 0f], FilterNorms.L1(zeros(3, 0, 2)).data<float>().ToArray());
        Assert.Equal([0f, 0f, 0f], FilterNorms.L2(zeros(0, 3), 1).data<float>().ToArray());
        Assert.Equal([0f, 0f, 0f], FilterNorms.L2(zeros(3, 0, ScalarType.Float64)).data<float>().ToArray());
        Assert.Equal(0, FilterNorms.L1(zeros(0, 3)).numel());
        Assert.Equal(0, FilterNorms.L1(zeros(0, 3, ScalarType.Float64)).numel());
    }

    [Fact]
    public void NaN_and_infinity_come_through()
    {
        using var scope = NewDisposeScope();
        var weight = ones(3, 200);
        weight[0, 150] = float.NaN;
        weight[1, 3] = float.NegativeInfinity;
        Assert.Equal([float.NaN, float.PositiveInfinity, 200f], FilterNorms.L1(weight).data<float>().ToArray());
    }

    [Fact]
    public void The_weight_is_left_as_it_was_and_no_tensor_behind()
    {
        using var weight = new TorchSharp.Modules.Parameter(Random(2, 4, 5));
        using var copy = weight.detach().clone();
        FilterNorms.L1(weight).Dispose();
        var live = LiveTensors.Settled();
        FilterNorms.L1(weight).Dispose();
        FilterNorms.L2(weight).Dispose();
        Assert.Equal(live, Tensor.TotalCount);
        using var same = copy.equal(weight);
        Assert.True(same.all().item<bool>());
    }

    [Fact]
    public void The_reduction_allocates_nothing()
    {
        using var weight = Random(3, 300, 1500);
        var norms = new float[300];
        var x = (float*)TensorMemory.Pointer(weight);
        FilterNorms.Reduce(x, 1, 1500, norms, squares: false);
        var before = GC.GetAllocatedBytesForCurrentThread();
        FilterNorms.Reduce(x, 1, 1500, norms, squares: false);
        FilterNorms.Reduce(x, 1500, 1, norms, squares: true);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public void What_is_no_weight_is_refused()
    {
        using var scope = NewDisposeScope();
        Assert.Throws<ArgumentException>(() => FilterNorms.L1(tensor(1f)));
        Assert.Throws<ArgumentException>(() => FilterNorms.L1(ones(3, ScalarType.Int64)));
        Assert.Throws<ArgumentOutOfRangeException>(() => FilterNorms.L1(ones(3), 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => FilterNorms.L2(ones(3), -2));
    }
}
