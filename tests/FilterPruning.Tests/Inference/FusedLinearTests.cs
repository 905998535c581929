using FilterPruning.Inference;

namespace FilterPruning.Tests.InferenceTests;

public class FusedLinearTests
{
    [Theory]
    [InlineData(1000, 49, 33, true, true)]
    [InlineData(997, 64, 64, true, false)]
    [InlineData(128, 7, 2, false, true)]
    [InlineData(513, 130, 19, false, false)]
    public void Fused_equals_double_precision_within_rounding(int rows, int inputs, int outputs, bool bias, bool relu)
    {
        NeedOneDnn();
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var generator = new Generator(1);
        using var layer = nn.Linear(inputs, outputs, hasBias: bias);
        foreach (var parameter in layer.parameters())
            parameter.normal_(0, 1, generator);
        using var fused = new FusedLinear(layer);
        var input = randn([rows, inputs], generator: generator);
        Assert.False(fused.IsFusedFor(input));
        fused.Prepare();
        Assert.True(fused.IsFusedFor(input));

        var given = fused.Run(input, relu);
        Assert.Equal([rows, outputs], given.shape);
        Assert.True(given.is_contiguous());
        var (x, w) = (input.to(float64), layer.weight!.to(float64));
        var (exact, magnitude) = (x.matmul(w.t()), x.abs().matmul(w.abs().t()));
        if (layer.bias is { } shift)
            (exact, magnitude) = (exact + shift.to(float64), magnitude + shift.to(float64).abs());
        if (relu)
            exact = exact.relu();
        // So many products and sums and the bias, each at most half a unit of the terms' magnitudes.
        var excess = ((given.to(float64) - exact).abs() - magnitude * ((inputs + 2) * Math.Pow(2, -24))).max().item<double>();
        Assert.True(excess <= 0, $"beyond the bound by {excess}");
        Assert.True(given.allclose(relu ? layer.call(input).relu_() : layer.call(input), 1e-4, 1e-4));
    }

    [Fact]
    public void What_changes_in_the_layer_is_seen()
    {
        NeedOneDnn();
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var layer = nn.Linear(20, 9);
        using var fused = new FusedLinear(layer);
        fused.Prepare();
        var input = randn(200, 20);
        var before = fused.Run(input).clone();
        layer.weight!.mul_(2);
        layer.bias!.mul_(2);
        Assert.True(fused.Run(input).allclose(before * 2, 1e-5, 1e-5));
        layer.weight!.set_(layer.weight!.detach().narrow(0, 0, 5).clone());
        layer.bias!.set_(layer.bias!.detach().narrow(0, 0, 5).clone());
        Assert.True(fused.Run(input).allclose((before * 2).narrow(1, 0, 5), 1e-5, 1e-5));
    }

    [Fact]
    public void Where_it_matters_the_layer_runs_as_it_is()
    {
        using var scope = NewDisposeScope();
        using var layer = nn.Linear(20, 9);
        using var fused = new FusedLinear(layer);
        fused.Prepare();
        var input = randn(200, 20);
        Assert.False(fused.IsFusedFor(input));                                      // gradients are recorded
        Assert.True(fused.Run(input).requires_grad);
        using var guard = no_grad();
        Assert.Equal(FusedConvolution.IsSupported, fused.IsFusedFor(input));
        Assert.False(fused.IsFusedFor(input.narrow(0, 0, 5)));                      // few rows
        Assert.False(fused.IsFusedFor(input.view(10, 20, 20)));
        Assert.False(fused.IsFusedFor(input.to(float64)));
        Assert.True(fused.Run(input.narrow(0, 0, 5)).equal(layer.call(input.narrow(0, 0, 5))).all().item<bool>());
        Assert.Equal([0L, 9], fused.Run(input.narrow(0, 0, 0)).shape);
        var seen = 0;
        var hook = layer.register_forward_hook((_, _, output) =>
        {
            seen++;
            return output;
        });
        fused.Run(input);
        hook.remove();
        Assert.Equal(1, seen);
        fused.Release();
        Assert.False(fused.IsFusedFor(input));
    }

    [Fact]
    public void Nothing_is_left_behind()
    {
        using var guard = no_grad();
        using var layer = nn.Linear(20, 9);
        using var input = randn(200, 20);
        var before = LiveTensors.Settled();
        using (var fused = new FusedLinear(layer))
        {
            fused.Prepare();
            fused.Run(input).Dispose();
        }

        Assert.Equal(before, LiveTensors.Settled());
    }

    private static void NeedOneDnn() => Assert.SkipUnless(FusedConvolution.IsSupported, "This build of libtorch has no oneDNN.");
}
