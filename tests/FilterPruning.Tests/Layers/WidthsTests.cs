using FilterPruning.Layers;
using static TorchSharp.torch.nn;

namespace FilterPruning.Tests.LayerTypes;

/// <summary>Fails loudly when a new TorchSharp renames one of the private fields that <see cref="Widths"/> writes.</summary>
public class WidthsTests
{
    [Fact]
    public void Convolutions_take_new_widths_and_check_inputs_against_them()
    {
        using var layer = Conv2d(6, 8, 3);
        Widths.SetConvolution(layer, 4, 5);
        Assert.Equal((4, 5, 4), (layer.in_channels, layer.out_channels, Widths.CheckedInputs(layer)));
    }

    [Fact]
    public void Norms_take_a_new_width()
    {
        using var layer = BatchNorm2d(6);
        Widths.SetNorm(layer, 4);
        Assert.Equal(4, layer.num_features);
    }

    [Fact]
    public void PReLU_takes_a_new_width()
    {
        using var layer = PReLU(6);
        Widths.SetPRelu(layer, 4);
        Assert.Equal(4, layer.num_parameters);
    }

    [Fact]
    public void A_narrowed_convolution_runs_and_refuses_its_old_width()
    {
        using var scope = NewDisposeScope();
        var layer = Conv2d(6, 8, 3);
        using (no_grad())
        {
            layer.weight!.set_(layer.weight.narrow(0, 0, 5).narrow(1, 0, 4).clone());
            layer.bias!.set_(layer.bias.narrow(0, 0, 5).clone());
        }
        new ConvolutionRule(2).SetWidths(layer, 4, 5);
        var x = randn(1, 4, 7, 7);
        Assert.True(layer.call(x).equal(functional.conv2d(x, layer.weight, layer.bias)).all().item<bool>());
        Assert.ThrowsAny<Exception>(() => layer.call(randn(1, 6, 7, 7)));
    }
}
