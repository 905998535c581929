using FilterPruning.Kernels;

namespace FilterPruning.Tests.Kernels;

public unsafe class FilterNormsTests
{
    // What the documentation promises of every result.
    private const double Tolerance = 1e-6;

    public static TheoryData<ScalarType> Types => [ScalarType.Float32, ScalarType.Float16, ScalarType.BFloat16, ScalarType.Float64];

    public static TheoryData<double> Exponents => [0.5, 0.7, 1, 1.5, 2, 2.5, 3, 4.2, 6, 7, 50, double.PositiveInfinity];

    private static Tensor Random(int seed, params long[] shape)
    {
        using var generator = new torch.Generator((ulong)seed);
        return randn(shape, generator: generator);
    }

    /// <summary>An independent path: libtorch in double precision over an index permutation made explicit.</summary>
    private static double[] Expected(Tensor weight, int axis, double p)
    {
        using var scope = NewDisposeScope();
        var wide = weight.detach().cpu().to(ScalarType.Float64);
        return [.. Enumerable.Range(0, (int)weight.shape[axis]).Select(f =>
        {
            var magnitudes = wide.select(axis, f).abs().flatten();
            if (magnitudes.numel() == 0)
                return 0;
            var largest = magnitudes.max().item<double>();
            return largest == 0 || double.IsPositiveInfinity(p) ? largest : largest * Math.Pow((magnitudes / largest).pow(p).sum().item<double>(), 1 / p);
        })];
    }

    private static void AssertNorms(Tensor weight, int axis, params double[] exponents)
    {
        foreach (var p in exponents.Length == 0 ? [1, 2, 3] : exponents)
        {
            using var norms = FilterNorms.Lp(weight, p, axis);
            var expected = Expected(weight, axis, p);
            Assert.Equal(ScalarType.Float32, norms.dtype);
            Assert.Equal([weight.shape[axis]], norms.shape);
            Assert.Equal(DeviceType.CPU, norms.device_type);
            var actual = norms.data<float>().ToArray();
            for (var f = 0; f < expected.Length; f++)
                Assert.InRange(actual[f], expected[f] * (1 - Tolerance), expected[f] * (1 + Tolerance));

            var filled = new float[expected.Length];
            FilterNorms.Lp(weight, p, filled, axis);
            Assert.Equal(actual, filled);
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
    [InlineData(1, 2, 900, 3)]
    [InlineData(2, 4, 5, 17)]
    [InlineData(1, 9, 2051)]
    [InlineData(1, 18, 16_500)]
    [InlineData(0, 11)]
    [InlineData(1, 70, 5, 100)]
    [InlineData(1, 21, 300, 9)]
    public void Any_axis_of_any_shape_of_any_type(int axis, params int[] shape)
    {
        using var scope = NewDisposeScope();
        var weight = Random(shape[0], [.. shape.Select(size => (long)size)]);
        foreach (var type in new[] { ScalarType.Float32, ScalarType.Float16, ScalarType.BFloat16 })
        {
            var typed = weight.to(type);
            Assert.True(FilterNorms.IsFast(typed, axis < 0 ? axis + shape.Length : axis));
            AssertNorms(typed, axis < 0 ? axis + shape.Length : axis);
            if (axis < 0)
                Assert.True(FilterNorms.L1(typed, axis).equal(FilterNorms.L1(typed, axis + shape.Length)).all().item<bool>());
        }
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void Transposed_channels_last_and_sliced_weights_agree(ScalarType type)
    {
        using var scope = NewDisposeScope();
        var weight = Random(1, 40, 22, 3, 3).to(type);
        (Tensor View, bool IsFast)[] views =
        [
            (weight.transpose(0, 1), true), (weight.permute(2, 3, 1, 0), true), (weight.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2), true), (weight[.., 1..20], true),
            (weight[5..9, 2..3], true), (weight.narrow(2, 1, 1), true), (weight.unsqueeze(1).expand(40, 6, 22, 3, 3).transpose(1, 2), true), (weight[.., .., 1..3, 0..2], true),
            (weight.flatten().as_strided([30, 20], [20, 1], 3), true), (weight.slice(3, 0, 3, 2), false), (weight.slice(0, 0, 40, 3).flatten(1), true),
        ];
        foreach (var (view, isFast) in views)
        {
            Assert.Equal(isFast && type != ScalarType.Float64, FilterNorms.IsFast(view));
            for (var axis = 0; axis < view.dim(); axis++)
                AssertNorms(view, axis);
        }

        AssertNorms(new TorchSharp.Modules.Parameter(weight.clone()), 0);
        AssertNorms(weight[2..5], 0);
    }

    [Theory]
    [MemberData(nameof(Exponents))]
    public void Any_exponent(double p)
    {
        using var scope = NewDisposeScope();
        var weight = Random(4, 20, 30, 5);
        weight[3] = 0;
        foreach (var type in new[] { ScalarType.Float32, ScalarType.Float16, ScalarType.BFloat16, ScalarType.Float64 })
        {
            var typed = weight.to(type);
            for (var axis = 0; axis < 3; axis++)
                AssertNorms(typed, axis, p);
        }
    }

    [Fact]
    public void Half_precision_neither_overflows_nor_vanishes()
    {
        using var scope = NewDisposeScope();
        foreach (var value in new[] { 65504f, 60000f, 1e-4f, 6.0e-5f, 6.0e-8f })  // the last two are subnormal
        {
            var weight = full(2, 1500, value, ScalarType.Float16);
            AssertNorms(weight, 0);
            AssertNorms(weight, 1);
        }
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void Powers_of_large_and_small_numbers_neither_overflow_nor_vanish(ScalarType type)
    {
        using var scope = NewDisposeScope();
        var weight = tensor(new[,] { { 3e36f, 0 }, { 0, 1e-37f } }).to(type).repeat(1, 50);
        AssertNorms(weight, 0, 1, 2, 3, 5.5, 6, 9);
        AssertNorms(weight, 1, 1, 2, 3, 5.5, 6, 9);
    }

    [Fact]
    public void A_column_does_not_depend_on_those_beside_it()
    {
        // Zeros, tiny and huge numbers leave single precision's range and take another way; their neighbours must not.
        using var scope = NewDisposeScope();
        foreach (var type in new[] { ScalarType.Float32, ScalarType.Float16, ScalarType.BFloat16 })
        {
            var weight = Random(7, 30, 50, 3).to(type);
            var changed = weight.clone();
            changed[.., 3] = 0;
            changed[.., 20] = type == ScalarType.Float16 ? 6e-8f : 1e-30f;
            changed[.., 49] = type == ScalarType.Float16 ? 60000f : 1e30f;
            changed[4, 40] = float.NaN;
            changed[4, 41] = float.PositiveInfinity;
            foreach (var p in new[] { 1, 2, 3, 0.5, 1.7 })
            {
                foreach (var axis in new[] { 0, 1 })
                {
                    var (before, after) = axis == 1 ? (weight, changed) : (weight.transpose(0, 1).contiguous(), changed.transpose(0, 1).contiguous());
                    var (expected, actual) = (FilterNorms.Lp(before, p, axis).data<float>().ToArray(), FilterNorms.Lp(after, p, axis).data<float>().ToArray());
                    Assert.Equal([0f, float.NaN, float.PositiveInfinity], [actual[3], actual[40], actual[41]]);
                    AssertNorms(changed.index_select(1, tensor(new long[] { 3, 20, 49 })), 1, p);
                    int[] others = [3, 20, 40, 41, 49];
                    for (var f = 0; f < 50; f++)
                        Assert.True(others.Contains(f) || expected[f] == actual[f]);
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void Sizes_of_zero(ScalarType type)
    {
        using var scope = NewDisposeScope();
        foreach (var p in new[] { 1, 2, 3, 9, double.PositiveInfinity })
        {
            Assert.Equal([0f, 0f, 0f], FilterNorms.Lp(zeros(3, 0, 2, type), p).data<float>().ToArray());
            Assert.Equal([0f, 0f, 0f], FilterNorms.Lp(zeros(0, 3, type), p, 1).data<float>().ToArray());
            Assert.Equal(0, FilterNorms.Lp(zeros(0, 3, type), p).numel());
        }
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void NaN_and_infinity_come_through_and_leave_the_other_filters_alone(ScalarType type)
    {
        using var scope = NewDisposeScope();
        foreach (var (filters, length) in new[] { (3, 200), (40, 200), (40, 7), (3, 5) })
        {
            var weight = ones(filters, length, type);
            weight[0, length - 1] = float.NaN;
            weight[1, 3] = float.NegativeInfinity;
            weight[2, 0] = 2;
            foreach (var (view, axis) in new[] { (weight, 0), (weight.t(), 1), (weight.t().contiguous(), 1) })
            {
                var norms = FilterNorms.L1(view, axis).data<float>().ToArray();
                Assert.Equal([float.NaN, float.PositiveInfinity, length + 1f], norms[..3]);
                Assert.All(norms[3..], norm => Assert.Equal(length, norm));
                Assert.Equal([float.NaN, float.PositiveInfinity, MathF.Sqrt(length + 3)], FilterNorms.L2(view, axis).data<float>().ToArray()[..3]);
                Assert.Equal([float.NaN, float.PositiveInfinity], FilterNorms.Lp(view, 0.7, axis).data<float>().ToArray()[..2]);
            }
        }
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.BFloat16)]
    public void Any_number_of_threads_gives_the_same_bits(ScalarType type)
    {
        using var scope = NewDisposeScope();
        var threads = get_num_threads();
        var weight = Random(5, 310, 901).to(type);
        var kernels = Random(6, 170, 181, 3, 3).to(type);
        try
        {
            foreach (var (view, axis) in new[] { (weight, 0), (weight, 1), (kernels, 0), (kernels, 1), (weight[.., 3..900], 0), (weight[.., 3..900], 1) })
            {
                foreach (var p in new[] { 1, 2.5 })
                {
                    set_num_threads(1);
                    var alone = FilterNorms.Lp(view, p, axis).data<float>().ToArray();
                    foreach (var many in new[] { 2, 5 })
                    {
                        set_num_threads(many);
                        for (var again = 0; again < 2; again++)
                            Assert.Equal(alone, FilterNorms.Lp(view, p, axis).data<float>().ToArray());
                    }
                }
            }
        }
        finally
        {
            set_num_threads(threads);
        }
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
        FilterNorms.Lp(weight, double.PositiveInfinity).Dispose();
        FilterNorms.Lp(weight, 8, new float[4]);
        Assert.Equal(live, Tensor.TotalCount);
        using var same = copy.equal(weight);
        Assert.True(same.all().item<bool>());
    }

    [Fact]
    public void Filling_a_span_allocates_nothing()
    {
        using var scope = NewDisposeScope();
        var norms = new float[300];
        var strided = Random(3, 300, 1600)[.., 50..1550];
        var large = Random(3, 300, 2000);
        var threads = get_num_threads();
        set_num_threads(2);
        try
        {
            foreach (var weight in new[] { strided, large, strided.to(ScalarType.Float16), large.to(ScalarType.BFloat16), large.t() })
            {
                var axis = weight.size(0) == 300 ? 0 : 1;
                void All()
                {
                    FilterNorms.L1(weight, norms, axis);
                    FilterNorms.L2(weight, norms, axis);
                    FilterNorms.Lp(weight, 3, norms, axis);
                    FilterNorms.Lp(weight, 0.3, norms, axis);
                }

                All();
                var before = GC.GetAllocatedBytesForCurrentThread();
                All();
                Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
            }
        }
        finally
        {
            set_num_threads(threads);
        }
    }

    [Fact]
    public void What_is_no_weight_is_refused()
    {
        using var scope = NewDisposeScope();
        Assert.Throws<ArgumentException>(() => FilterNorms.L1(tensor(1f)));
        Assert.Throws<ArgumentException>(() => FilterNorms.L1(ones(3, ScalarType.Int64)));
        Assert.Throws<ArgumentException>(() => FilterNorms.L1(ones(3, 2), new float[2]));
        Assert.Throws<ArgumentOutOfRangeException>(() => FilterNorms.L1(ones(3), 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => FilterNorms.L2(ones(3), -2));
        foreach (var p in new[] { 0, -1, double.NaN })
            Assert.Throws<ArgumentOutOfRangeException>(() => FilterNorms.Lp(ones(3), p));
    }
}
