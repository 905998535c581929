using FilterPruning.Layers;
using TorchSharp.Modules;

namespace FilterPruning.Tests.Recovery;

public class PatchGatherTests
{
    /// <summary>The other path: torch's own unfold.</summary>
    [Theory]
    [InlineData(3, 1, 1, 1)]
    [InlineData(3, 2, 1, 1)]
    [InlineData(5, 1, 0, 1)]
    [InlineData(3, 2, 2, 2)]
    [InlineData(1, 2, 0, 1)]
    public void Patches_are_those_of_unfold(int kernel, int stride, int padding, int dilation)
    {
        using var scope = NewDisposeScope();
        var layer = nn.Conv2d(5, 4, kernel, stride: stride, padding: padding, dilation: dilation);
        var input = Noise([2, 5, 9, 11]);
        var rule = LayerRules.BuiltIn.First(candidate => candidate.Handles(layer));
        var unfolded = nn.functional.unfold(input, (kernel, kernel), (dilation, dilation), (padding, padding), (stride, stride));   // [2, 5 × taps, places]
        var expected = unfolded.transpose(1, 2).reshape(-1, 5, kernel * kernel);
        var places = Enumerable.Range(0, (int)expected.shape[0]).Select(place => (long)place).ToArray();

        Assert.Equal(expected.shape[0], rule.PlacesOf(layer, input));
        Assert.True(rule.PatchesAt(layer, input, places).equal(expected).all().item<bool>());
        Assert.True(rule.PatchesAt(layer, input, [7, 3]).equal(expected.index_select(0, tensor(new long[] { 7, 3 }))).all().item<bool>());
    }

    [Fact]
    public void Patches_times_weights_are_the_output_in_one_and_three_dimensions()
    {
        using var scope = NewDisposeScope();
        Check(nn.Conv1d(3, 4, 3, stride: 2, padding: 1), Noise([2, 3, 10]));
        Check(nn.Conv3d(3, 4, 2, padding: 1), Noise([2, 3, 4, 5, 3]));
        Check(nn.Conv1d(3, 4, 3), Noise([3, 10]));

        static void Check(Convolution layer, Tensor input)
        {
            using var inner = NewDisposeScope();
            using var noGrad = no_grad();
            var rule = LayerRules.BuiltIn.First(candidate => candidate.Handles(layer));
            var output = ((nn.Module<Tensor, Tensor>)layer).call(input);
            var expected = output.movedim([rule.OutputAxis(layer, output)], [-1]).reshape(-1, 4);
            var places = Enumerable.Range(0, (int)rule.PlacesOf(layer, input)).Select(place => (long)place).ToArray();
            var answer = rule.PatchesAt(layer, input, places).flatten(1).mm(layer.weight!.flatten(1).t()) + layer.bias!;
            // A sum of at most 24 products of numbers around 1, in float32.
            Assert.InRange((answer - expected).abs().max().item<float>(), 0, 1e-5);
        }
    }

    private static Tensor Noise(long[] shape)
    {
        using var generator = new Generator(5);
        return randn(shape, generator: generator);
    }
}
