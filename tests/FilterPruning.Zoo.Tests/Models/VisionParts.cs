using TorchSharp.Modules;

namespace FilterPruning.Zoo;

/// <summary>What torchvision's mobile networks share. torchvision <c>ops/misc.py</c>.</summary>
internal static class VisionParts
{
    /// <summary>torchvision's initial weights: convolutions normal with the variance for their fan-out, so that the signal neither fades nor grows.</summary>
    public static void KaimingFanOut(nn.Module model)
    {
        foreach (var module in model.modules())
        {
            if (module is not Conv2d convolution) continue;
            nn.init.kaiming_normal_(convolution.weight!, mode: nn.init.FanInOut.FanOut, nonlinearity: nn.init.NonlinearityType.ReLU);
            if (convolution.bias is not null) nn.init.zeros_(convolution.bias);
        }
    }

    /// <summary>The multiple of <paramref name="divisor"/> nearest to a width, but not less than nine tenths of it.</summary>
    public static long MakeDivisible(double width, long divisor = 8)
    {
        var rounded = Math.Max(divisor, (long)(width + (divisor / 2.0)) / divisor * divisor);
        return rounded < 0.9 * width ? rounded + divisor : rounded;
    }

    /// <summary>Convolution without bias that keeps the size but for the stride, norm, and an activation where one is given.</summary>
    public static Sequential ConvNormActivation(long input, long output, long kernel, nn.Module<Tensor, Tensor>? activation, long stride = 1, long groups = 1, double eps = 1e-5)
    {
        var layers = new List<(string, nn.Module<Tensor, Tensor>)>
        {
            ("0", nn.Conv2d(input, output, kernel, stride: stride, padding: kernel / 2, groups: groups, bias: false)),
            ("1", nn.BatchNorm2d(output, eps: eps)),
        };
        if (activation is not null) layers.Add(("2", activation));
        return nn.Sequential(layers);
    }
}

/// <summary>Squeeze and excitation: scales each channel by a gate computed from all channels' means. Hu et al. 2017, figure 1.</summary>
internal sealed class SqueezeExcitation : nn.Module<Tensor, Tensor>
{
    private readonly AdaptiveAvgPool2d avgpool = nn.AdaptiveAvgPool2d(1);
    private readonly Conv2d fc1;
    private readonly Conv2d fc2;
    private readonly nn.Module<Tensor, Tensor> activation;
    private readonly nn.Module<Tensor, Tensor> scale_activation;

    public SqueezeExcitation(long input, long squeeze, nn.Module<Tensor, Tensor> activation, nn.Module<Tensor, Tensor> scaleActivation)
        : base(nameof(SqueezeExcitation))
    {
        fc1 = nn.Conv2d(input, squeeze, 1);
        fc2 = nn.Conv2d(squeeze, input, 1);
        this.activation = activation;
        scale_activation = scaleActivation;
        RegisterComponents();
    }

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var scale = activation.call(fc1.call(avgpool.call(input))); // [N, squeeze, 1, 1]
        scale = scale_activation.call(fc2.call(scale)); // [N, C, 1, 1]
        return (scale * input).MoveToOuterDisposeScope();
    }
}
