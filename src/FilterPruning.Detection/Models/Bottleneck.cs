using TorchSharp.Modules;

namespace FilterPruning.Detection.Models;

/// <summary>1×1, 3×3 and 1×1 convolutions and a shortcut: the block of ResNet-50 and -101. torchvision <c>models/resnet.py</c>.</summary>
internal sealed class Bottleneck : nn.Module<Tensor, Tensor>
{
    private const int Expansion = 4;

    private readonly Conv2d conv1;
    private readonly nn.Module<Tensor, Tensor> bn1;
    private readonly Conv2d conv2;
    private readonly nn.Module<Tensor, Tensor> bn2;
    private readonly Conv2d conv3;
    private readonly nn.Module<Tensor, Tensor> bn3;
    private readonly Sequential? downsample;

    public Bottleneck(long input, long planes, long stride, MaskRcnnOptions options, Generator generator)
        : base(nameof(Bottleneck))
    {
        conv1 = ResNet.Convolution(input, planes, kernel: 1, stride: 1, generator);
        bn1 = ResNet.Norm(planes, options);
        conv2 = ResNet.Convolution(planes, planes, kernel: 3, stride, generator);
        bn2 = ResNet.Norm(planes, options);
        conv3 = ResNet.Convolution(planes, planes * Expansion, kernel: 1, stride: 1, generator);
        bn3 = ResNet.Norm(planes * Expansion, options);
        downsample = ResNet.Downsample(input, planes * Expansion, stride, options, generator);
        RegisterComponents();
    }

    /// <summary><c>[N, input, H, W]</c> → <c>[N, 4 · planes, H/stride, W/stride]</c>.</summary>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var x = bn1.call(conv1.call(input)).relu_();
        x = bn2.call(conv2.call(x)).relu_();
        x = bn3.call(conv3.call(x));
        var identity = downsample is null ? input : downsample.call(input);
        return x.add_(identity).relu_().MoveToOuterDisposeScope();
    }
}
