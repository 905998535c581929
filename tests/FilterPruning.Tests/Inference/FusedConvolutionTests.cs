using FilterPruning.Inference;
using TorchSharp.Modules;

namespace FilterPruning.Tests.InferenceTests;

public class FusedConvolutionTests
{
    public static TheoryData<int, int, int, int, bool, bool, bool, bool> Cases => new()
    {
        // kernel, stride, groups, dilation, bias, norm, sum, ReLU
        { 1, 1, 1, 1, false, true, false, true },
        { 3, 1, 1, 1, false, true, true, true },
        { 3, 2, 1, 1, true, false, false, false },
        { 3, 1, 4, 1, true, true, false, true },
        { 3, 1, 8, 1, false, true, true, false },
        { 3, 1, 1, 2, true, true, true, true },
        { 7, 2, 1, 1, false, true, false, false },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void Fused_equals_double_precision_within_rounding(int kernel, int stride, int groups, int dilation, bool bias, bool norm, bool sum, bool relu)
    {
        NeedOneDnn();
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        foreach (var (n, h, w) in new[] { (1, 9, 13), (2, 8, 8), (1, 7, 1), (3, 1, 1) })
        {
            var (convolution, batchNorm) = Layers(8, 16, kernel, stride, groups, dilation, bias);
            if (h + 2 * (kernel / 2 * dilation) < dilation * (kernel - 1) + 1)
                continue;
            using var fused = norm ? new FusedConvolution(convolution, batchNorm) : new FusedConvolution(convolution);
            fused.Prepare();
            var input = Draw(n, 8, h, w);
            Assert.True(fused.IsFusedFor(input));
            var (exact, magnitude) = InDouble(convolution, norm ? batchNorm : null, input);
            var added = sum ? Draw([.. exact.shape]) : null;
            if (added is not null)
                (exact, magnitude) = (exact + added.to(float64), magnitude + added.to(float64).abs());
            if (relu)
                exact = exact.relu();

            var given = fused.Run(input, added, relu);
            // k products and sums, the folded weight's own rounding, bias, sum: each at most half a unit of the terms' magnitudes.
            var terms = 8 / groups * kernel * kernel;
            var excess = ((given.to(float64) - exact).abs() - magnitude * ((terms + 4) * Math.Pow(2, -24))).max().item<double>();
            Assert.True(excess <= 0, $"{n}×{h}×{w}: beyond the bound by {excess}");
        }
    }

    [Fact]
    public void A_sequence_with_its_own_ReLU_is_one_operation()
    {
        NeedOneDnn();
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        var (convolution, norm) = Layers(8, 16, 3, 1, 1, 1, bias: true);
        var block = nn.Sequential(nn.Sequential(convolution, norm), nn.ReLU(inplace: true));
        block.eval();
        using var fused = new FusedConvolution(block);
        fused.Prepare();
        var input = Draw(2, 8, 10, 10);
        Assert.True(fused.IsFusedFor(input));
        Close(block.call(input), fused.Run(input));
        Assert.True(ChannelsLast.Is(fused.Run(input)));
    }

    [Fact]
    public void Anything_else_runs_layer_by_layer()
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        var (convolution, norm) = Layers(8, 16, 3, 1, 1, 1, bias: true);
        var input = Draw(2, 8, 10, 10);
        using var odd = new FusedConvolution(convolution, nn.Sigmoid());
        using var prepared = new FusedConvolution(convolution, norm);
        odd.Prepare();
        Assert.False(odd.IsFusedFor(input));
        Same(convolution.call(input).sigmoid(), odd.Run(input));

        Assert.False(prepared.IsFusedFor(input)); // not yet prepared
        prepared.Prepare();
        Assert.False(prepared.IsFusedFor(input.to(float64)));
        Assert.False(prepared.IsFusedFor(zeros(0, 8, 10, 10)));
        norm.train();
        Assert.False(prepared.IsFusedFor(input));
    }

    [Fact]
    public void Released_it_gives_the_layers_own_bits()
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        var (convolution, norm) = Layers(8, 16, 3, 1, 1, 1, bias: false);
        using var fused = new FusedConvolution(convolution, norm);
        var input = Draw(2, 8, 10, 10);
        var weights = convolution.weight.clone();
        fused.Prepare();
        fused.Run(input);
        fused.Release();
        Same(norm.call(convolution.call(input)).relu(), fused.Run(input, relu: true));
        Same(weights, convolution.weight);
    }

    [Fact]
    public void It_follows_its_layers_when_they_change()
    {
        NeedOneDnn();
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        var (convolution, norm) = Layers(8, 16, 3, 1, 1, 1, bias: true);
        using var fused = new FusedConvolution(convolution, norm);
        fused.Prepare();
        var input = Draw(2, 8, 10, 10);
        Action[] changes =
        [
            () => convolution.weight.mul_(2),
            () => convolution.bias!.add_(1),
            () => norm.running_mean!.sub_(0.5),
            () => norm.running_var!.mul_(3),
            () => norm.weight!.set_(norm.weight.detach() * -1),
            () => convolution.weight = new Parameter(convolution.weight.detach() * 0.5),
        ];
        foreach (var change in changes)
        {
            var before = fused.Run(input);
            change();
            var after = fused.Run(input);
            Assert.True(fused.IsFusedFor(input));
            Assert.True((before - after).abs().max().item<float>() > 1e-3f);
            Close(norm.call(convolution.call(input)), after);
        }
    }

    [Fact]
    public void It_takes_images_of_changing_sizes()
    {
        NeedOneDnn();
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        var (convolution, norm) = Layers(64, 128, 1, 1, 1, 1, bias: false);
        using var fused = new FusedConvolution(convolution, norm);
        fused.Prepare();
        foreach (var size in new[] { 40, 7, 20, 40, 3 })
        {
            var input = Draw(1, 64, size, size + 1);
            Close(norm.call(convolution.call(input)), fused.Run(input));
        }
    }

    [Fact]
    public void Hooks_and_gradients_see_the_layers()
    {
        NeedOneDnn();
        using var scope = NewDisposeScope();
        var (convolution, norm) = Layers(8, 16, 3, 1, 1, 1, bias: true);
        using var fused = new FusedConvolution(convolution, norm);
        fused.Prepare();
        var input = Draw(2, 8, 10, 10).requires_grad_(true);
        fused.Run(input, relu: true).sum().backward();
        Assert.True(input.grad!.abs().sum().item<float>() > 0);

        using var guard = no_grad();
        var calls = 0;
        var hook = norm.register_forward_hook((_, _, y) =>
        {
            calls++;
            return y;
        });
        fused.Run(input);
        hook.remove();
        Assert.Equal(1, calls);
        Assert.True(fused.IsFusedFor(input));
        fused.Run(input);
        Assert.Equal(1, calls);
    }

    [Fact]
    public void A_pre_hook_is_seen_too()
    {
        using var scope = NewDisposeScope();
        var layer = nn.Conv2d(1, 1, 1);
        Assert.False(ModuleHooks.Any(layer));
        var hook = layer.register_forward_pre_hook((_, x) => x);
        Assert.True(ModuleHooks.Any(layer));
        hook.remove();
        Assert.False(ModuleHooks.Any(layer));
    }

    [Fact]
    public void Nothing_is_left_behind()
    {
        using var guard = no_grad();
        using var outer = NewDisposeScope();
        var (convolution, norm) = Layers(8, 16, 3, 1, 1, 1, bias: true);
        var before = LiveTensors.Settled();
        using (NewDisposeScope())
        {
            using var fused = new FusedConvolution(convolution, norm);
            fused.Prepare();
            foreach (var size in new[] { 5, 12 })
                fused.Run(Draw(1, 8, size, size));
            convolution.weight.mul_(2);
            fused.Run(Draw(1, 8, 5, 5));
        }

        Assert.Equal(before, LiveTensors.Settled());
    }

    private static void NeedOneDnn() => Assert.SkipUnless(FusedConvolution.IsSupported, "This build of libtorch has no oneDNN.");

    private static (Conv2d, BatchNorm2d) Layers(int inputs, int outputs, int kernel, int stride, int groups, int dilation, bool bias)
    {
        using var guard = no_grad();
        using var generator = new Generator(5);
        var convolution = nn.Conv2d(inputs, outputs, kernel, stride: stride, padding: kernel / 2 * dilation, dilation: dilation, groups: groups, bias: bias);
        convolution.weight.normal_(0, 0.3, generator);
        convolution.bias?.normal_(0, 0.3, generator);
        var norm = nn.BatchNorm2d(outputs);
        norm.weight!.normal_(1, 0.5, generator);
        norm.bias!.normal_(0, 1, generator);
        norm.running_mean!.normal_(0, 1, generator);
        norm.running_var!.uniform_(0.2, 3, generator);
        norm.eval();
        return (convolution, norm);
    }

    private static Tensor Draw(params long[] shape)
    {
        using var generator = new Generator(11);
        return randn(shape, generator: generator);
    }

    // The result, and the sum of the magnitudes of all that was added up for it.
    private static (Tensor Exact, Tensor Magnitude) InDouble(Conv2d layer, BatchNorm2d? norm, Tensor input)
    {
        var exact = Convolve(input, layer.weight, layer.bias);
        var magnitude = Convolve(input.abs(), layer.weight.abs(), layer.bias?.abs());
        if (norm is null)
            return (exact, magnitude);
        var scale = (norm.weight!.to(float64) / (norm.running_var!.to(float64) + norm.eps).sqrt()).view(1, -1, 1, 1);
        var (mean, bias) = (norm.running_mean!.to(float64).view(1, -1, 1, 1), norm.bias!.to(float64).view(1, -1, 1, 1));
        return ((exact - mean) * scale + bias, magnitude * scale.abs() + (mean * scale).abs() + bias.abs());

        Tensor Convolve(Tensor x, Tensor weight, Tensor? bias) =>
            nn.functional.conv2d(x.to(float64), weight.to(float64), bias?.to(float64), layer.stride, layer.padding, layer.dilation, layer.groups);
    }

    private static void Close(Tensor expected, Tensor given)
    {
        // Two float32 ways of up to 8·9 or 64 terms of magnitude up to some 10: each within 76 · 2⁻²⁴ of the terms' sum.
        var magnitude = expected.abs().max().item<float>() * 8;
        Assert.True((expected - given).abs().max().item<float>() <= 2 * 76 * MathF.Pow(2, -24) * magnitude);
    }

    private static void Same(Tensor expected, Tensor given) => Assert.True(expected.equal(given).all().item<bool>());
}
