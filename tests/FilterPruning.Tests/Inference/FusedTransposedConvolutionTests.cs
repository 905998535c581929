using FilterPruning.Inference;

namespace FilterPruning.Tests.InferenceTests;

public class FusedTransposedConvolutionTests
{
    [Theory]
    [InlineData(2, 8, 12, true, true)]
    [InlineData(2, 5, 3, false, false)]
    [InlineData(3, 7, 2, true, false)]
    public void Fused_equals_double_precision_within_rounding(int side, int inputs, int outputs, bool bias, bool relu)
    {
        NeedOneDnn();
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var generator = new Generator(1);
        foreach (var (n, h, w) in new[] { (1, 4, 6), (3, 14, 14), (2, 1, 5), (1, 1, 1) })
        {
            using var layer = nn.ConvTranspose2d(inputs, outputs, side, stride: side, bias: bias);
            foreach (var parameter in layer.parameters())
                parameter.normal_(0, 1, generator);
            using var fused = new FusedTransposedConvolution(layer);
            var input = randn([n, inputs, h, w], generator: generator);
            Assert.False(fused.IsFusedFor(input));
            fused.Prepare();
            Assert.True(fused.IsFusedFor(input));

            var given = fused.Run(input, relu);
            Assert.Equal([n, outputs, h * side, w * side], given.shape);
            var (x, kernel) = (input.to(float64), layer.weight.to(float64));
            var exact = nn.functional.conv_transpose2d(x, kernel, layer.bias?.to(float64), strides: [side, side]);
            var magnitude = nn.functional.conv_transpose2d(x.abs(), kernel.abs(), layer.bias?.to(float64).abs(), strides: [side, side]);
            if (relu)
                exact = exact.relu();
            // Each output has a product for every input channel, and the bias.
            var excess = ((given.to(float64) - exact).abs() - magnitude * ((inputs + 2) * Math.Pow(2, -24))).max().item<double>();
            Assert.True(excess <= 0, $"{n}×{h}×{w}: beyond the bound by {excess}");
            var blocks = fused.RunInBlocks(input, relu);
            Assert.Equal([n, outputs, h, w * side * side], blocks.shape);
            Assert.True(FusedTransposedConvolution.FromBlocks(blocks, side).equal(given).all().item<bool>());
        }
    }

    [Fact]
    public void What_changes_in_the_layer_is_seen_and_other_layers_run_as_they_are()
    {
        NeedOneDnn();
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var layer = nn.ConvTranspose2d(6, 4, 2, stride: 2);
        using var fused = new FusedTransposedConvolution(layer);
        fused.Prepare();
        var input = randn(2, 6, 5, 5);
        var before = fused.Run(input).clone();
        layer.weight.mul_(2);
        layer.bias!.mul_(2);
        Assert.True(fused.Run(input).allclose(before * 2, 1e-5, 1e-5));

        using var overlapping = nn.ConvTranspose2d(6, 4, 3, stride: 2);
        using var plain = new FusedTransposedConvolution(overlapping);
        plain.Prepare();
        Assert.False(plain.IsFusedFor(input));
        Assert.True(plain.Run(input).equal(overlapping.call(input)).all().item<bool>());
        Assert.Throws<InvalidOperationException>(() => plain.RunInBlocks(input));
    }

    private static void NeedOneDnn() => Assert.SkipUnless(FusedConvolution.IsSupported, "This build of libtorch has no oneDNN.");
}
