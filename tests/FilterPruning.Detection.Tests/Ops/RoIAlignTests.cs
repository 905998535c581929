using FilterPruning.Detection.Ops;

namespace FilterPruning.Detection.Tests.Ops;

public class RoIAlignTests
{
    // Sums of at most a few hundred products of values of order one in float32.
    private const double Tolerance = 2e-5;

    public static TheoryData<int, int, int, int, int, int, int, bool> Cases() => new()
    {
        // N, C, H, W, oh, ow, sampling ratio, aligned
        { 1, 3, 20, 30, 7, 7, 2, false },
        { 2, 5, 17, 13, 7, 7, -1, false },
        { 2, 20, 9, 33, 3, 5, 0, true },
        { 1, 1, 50, 41, 14, 14, 1, true },
        { 2, 2, 1, 1, 2, 2, 2, false },
        { 1, 4, 1, 7, 7, 3, 3, false },
        { 3, 17, 8, 2, 1, 1, -1, true },
        { 1, 33, 64, 64, 28, 28, 2, false },
        { 1, 2, 12, 150, 7, 20, -1, false },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void The_kernel_and_the_composed_operations_agree(int n, int c, int h, int w, int oh, int ow, int ratio, bool aligned)
    {
        using var scope = NewDisposeScope();
        var rois = RandomBoxes.RoIs(new Random(h * 100 + w), 25, n, w * 4, h * 4);
        var (kernelIn, composedIn) = (RandomBoxes.Normal(1, n, c, h, w).requires_grad_(), RandomBoxes.Normal(1, n, c, h, w).requires_grad_());
        var sampling = new RoISampling(oh, ow, ratio, aligned);

        var kernel = RoIAlign.Apply(kernelIn, rois, oh, ow, 0.25, ratio, aligned);
        var composed = RoIAlignComposed.Apply(composedIn, rois, sampling, 0.25);
        Assert.Equal(composed.shape, kernel.shape);
        Assert.True(composed.abs().max().item<float>() > 0.1);
        Assert.InRange(RandomBoxes.LargestDifference(kernel, composed), 0, Tolerance);

        var cotangent = RandomBoxes.Normal(2, kernel.shape);
        var fromKernel = autograd.grad([kernel], [kernelIn], [cotangent])[0];
        var fromComposed = autograd.grad([composed], [composedIn], [cotangent])[0];
        Assert.True(fromComposed.abs().max().item<float>() > 0.1);
        Assert.InRange(RandomBoxes.LargestDifference(fromKernel, fromComposed), 0, 1e-4);
    }

    [Theory]
    [InlineData(2, false)]
    [InlineData(-1, true)]
    public void The_composed_gradient_is_the_slope_of_the_output(int ratio, bool aligned)
    {
        using var scope = NewDisposeScope();
        var input = RandomBoxes.Normal(3, 2, 2, 6, 5).to(ScalarType.Float64).requires_grad_();
        var rois = RandomBoxes.RoIs(new Random(5), 6, 2, 10, 12);
        var sampling = new RoISampling(3, 2, ratio, aligned);
        var output = RoIAlignComposed.Apply(input, rois, sampling, 0.5);
        var cotangent = RandomBoxes.Normal(4, output.shape).to(ScalarType.Float64);
        var gradient = autograd.grad([output], [input], [cotangent])[0].contiguous();

        // The operator is linear in its input, so a central difference has rounding errors only.
        using var guard = no_grad();
        const double step = 1e-3;
        for (var i = 0; i < input.NumberOfElements; i++)
        {
            var change = zeros(input.shape, ScalarType.Float64);
            change.view(-1)[i] = step;
            var difference = RoIAlignComposed.Apply(input + change, rois, sampling, 0.5) - RoIAlignComposed.Apply(input - change, rois, sampling, 0.5);
            Assert.Equal((difference * cotangent).sum().item<double>() / (2 * step), gradient.view(-1)[i].item<double>(), 1e-9);
        }
    }

    [Fact]
    public void A_constant_map_pools_to_that_constant()
    {
        using var scope = NewDisposeScope();
        var rois = tensor(new float[] { 0, 2, 3, 30, 21, 1, 5.5f, 6.25f, 6, 6.5f }).view(2, 5);
        var output = RoIAlign.Apply(full([2, 3, 40, 40], 1.5f), rois, 7, 7, 1, -1);
        Assert.InRange(RandomBoxes.LargestDifference(output, full_like(output, 1.5f)), 0, 1e-6);
    }

    [Fact]
    public void A_linear_ramp_pools_to_the_centres_of_the_bins()
    {
        using var scope = NewDisposeScope();
        var ramp = arange(32, dtype: ScalarType.Float32).expand(1, 1, 32, 32); // value = x
        var output = RoIAlign.Apply(ramp, tensor(new float[] { 0, 4, 4, 18, 25 }).view(1, 5), 7, 7, 1, 3);
        var centres = 4 + (arange(7) + 0.5) * 2;
        Assert.InRange(RandomBoxes.LargestDifference(output[0, 0], centres.expand(7, 7)), 0, 1e-5);
    }

    [Fact]
    public void The_gradient_of_a_channel_stays_in_that_channel()
    {
        using var scope = NewDisposeScope();
        var input = RandomBoxes.Normal(6, 2, 40, 12, 12).requires_grad_();
        var output = RoIAlign.Apply(input, RandomBoxes.RoIs(new Random(1), 30, 2, 24, 24), 7, 7, 0.5, 2);
        var cotangent = zeros_like(output);
        cotangent.narrow(1, 17, 1).copy_(RandomBoxes.Normal(7, 30, 1, 7, 7));
        var reached = autograd.grad([output], [input], [cotangent])[0].abs().sum([0, 2, 3]).data<float>().ToArray();
        Assert.Equal([17], Enumerable.Range(0, 40).Where(c => reached[c] != 0));
    }

    [Fact]
    public void Inputs_and_cotangents_need_not_be_contiguous()
    {
        using var scope = NewDisposeScope();
        var rois = RandomBoxes.RoIs(new Random(2), 9, 2, 20, 26);
        var input = RandomBoxes.Normal(8, 2, 13, 10, 6).permute(0, 3, 1, 2).requires_grad_(); // [2, 6, 13, 10]
        var output = RoIAlign.Apply(input, rois, 3, 3, 0.5, 2);
        var fromView = autograd.grad([output], [input], [ones([1]).expand(output.shape)], retain_graph: true)[0];
        var fromCopy = autograd.grad([output], [input], [ones_like(output)])[0];
        Assert.InRange(RandomBoxes.LargestDifference(fromView, fromCopy), 0, 0);
        Assert.InRange(RandomBoxes.LargestDifference(output, RoIAlign.Apply(input.contiguous(), rois, 3, 3, 0.5, 2)), 0, 0);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void No_RoIs_pool_nothing_and_have_a_gradient_of_zero(bool composed)
    {
        using var scope = NewDisposeScope();
        var input = ones([2, 3, 5, 5], composed ? ScalarType.Float64 : ScalarType.Float32).requires_grad_();
        var output = RoIAlign.Apply(input, zeros(0, 5), 7, 7);
        Assert.Equal([0, 3, 7, 7], output.shape);
        Assert.Equal(0, autograd.grad([output.sum()], [input])[0].abs().max().to(ScalarType.Float32).item<float>());
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    public void A_box_that_is_not_finite_pools_zeros(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        float[] rois = [0, float.NaN, 1, 4, 4, 0, 1, 1, float.PositiveInfinity, 4, 0, 1, 1, 4, 4];
        foreach (var ratio in new[] { -1, 2 })
        {
            var output = RoIAlign.Apply(ones([1, 2, 6, 6], dtype), tensor(rois).view(3, 5), 2, 2, 1, ratio);
            Assert.Equal([0f, 0f, 1f], output.amax([1, 2, 3]).to(ScalarType.Float32).data<float>().ToArray());
        }
    }

    [Fact]
    public void The_bits_do_not_depend_on_the_number_of_threads()
    {
        using var scope = NewDisposeScope();
        var rois = RandomBoxes.RoIs(new Random(3), 60, 2, 100, 100);
        var input = RandomBoxes.Normal(9, 2, 37, 25, 25).requires_grad_();
        var cotangent = RandomBoxes.Normal(10, 60, 37, 7, 7);
        var results = new List<(float[] Output, float[] Gradient)>();
        var before = get_num_threads();
        try
        {
            foreach (var threads in new[] { 1, 2, 5 })
            {
                set_num_threads(threads);
                var output = RoIAlign.Apply(input, rois, 7, 7, 0.25, 2);
                results.Add((output.data<float>().ToArray(), autograd.grad([output], [input], [cotangent])[0].data<float>().ToArray()));
            }
        }
        finally
        {
            set_num_threads(before);
        }

        Assert.All(results, result => Assert.Equal(results[0].Output, result.Output));
        Assert.All(results, result => Assert.Equal(results[0].Gradient, result.Gradient));
    }

    [Theory]
    [InlineData(ScalarType.Float16, 2e-3)]
    [InlineData(ScalarType.BFloat16, 2e-2)]
    public void Half_precision_is_computed_in_single(ScalarType dtype, double tolerance)
    {
        using var scope = NewDisposeScope();
        var input = RandomBoxes.Normal(11, 1, 3, 9, 9);
        var rois = RandomBoxes.RoIs(new Random(6), 8, 1, 9, 9);
        var half = RoIAlign.Apply(input.to(dtype), rois, 3, 3);
        Assert.Equal(dtype, half.dtype);
        // Rounding of the input and of the output, of values up to about 3.
        Assert.InRange(RandomBoxes.LargestDifference(half, RoIAlign.Apply(input, rois, 3, 3)), 0, 3 * tolerance);
    }

    [Fact]
    public void Gradients_are_recorded_only_where_they_are_wanted()
    {
        using var scope = NewDisposeScope();
        var (plain, trained) = (ones(1, 1, 4, 4), ones(1, 1, 4, 4).requires_grad_());
        var rois = tensor(new float[] { 0, 0, 0, 3, 3 }).view(1, 5);
        Assert.False(RoIAlign.Apply(plain, rois, 2, 2).requires_grad);
        Assert.True(RoIAlign.Apply(trained, rois, 2, 2).requires_grad);
        using var guard = no_grad();
        Assert.False(RoIAlign.Apply(trained, rois, 2, 2).requires_grad);
    }

    [Fact]
    public void No_tensor_is_left_behind()
    {
        using var scope = NewDisposeScope();
        var rois = RandomBoxes.RoIs(new Random(4), 5, 1, 10, 10);
        var input = ones(1, 3, 10, 10).requires_grad_();
        Leaks.AssertNone(() => RoIAlign.Apply(input, rois, 7, 7), expected: 1);
        Leaks.AssertNone(() => RoIAlign.Apply(input.detach(), rois, 7, 7).Dispose(), expected: 1); // the detached input
        Leaks.AssertNone(
            () =>
            {
                using var inner = NewDisposeScope();
                autograd.grad([RoIAlign.Apply(input, rois, 7, 7).sum()], [input]);
            },
            expected: 0);
    }

    [Fact]
    public void Wrong_arguments_are_named()
    {
        using var scope = NewDisposeScope();
        var input = ones(2, 1, 4, 4);
        var error = Assert.Throws<ArgumentException>(() => RoIAlign.Apply(input, tensor(new float[] { 2, 0, 0, 3, 3 }).view(1, 5), 2, 2));
        Assert.Contains("RoI 0 names image 2; there are 2", error.Message);
        Assert.Throws<ArgumentException>(() => RoIAlign.Apply(input, ones(3, 4), 2, 2));
        Assert.Throws<ArgumentException>(() => RoIAlign.Apply(input[0], ones(3, 5), 2, 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => RoIAlign.Apply(input, ones(3, 5), 0, 2));
    }
}
