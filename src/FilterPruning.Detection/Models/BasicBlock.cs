using TorchSharp.Modules;

namespace FilterPruning.Detection.Models;

/// <summary>Two 3×3 convolutions and a shortcut: the block of ResNet-18 and -34. torchvision <c>models/resnet.py</c>.</summary>
internal sealed class BasicBlock : nn.Module<Tensor, Tensor>
{
    private readonly Conv2d conv1;
    private readonly nn.Module<Tensor, Tensor> bn1;
    private readonly Conv2d conv2;
    private readonly nn.Module<Tensor, Tensor> bn2;
    private readonly Sequential? downsample;

    public BasicBlock(long input, long planes, long stride, MaskRcnnOptions options, Generator generator)
        : base(nameof(BasicBlock))
    {
        conv1 = ResNet.Convolution(input, planes, kernel: 3, stride, generator);
        bn1 = ResNet.Norm(planes, options);
        conv2 = ResNet.Convolution(planes, planes, kernel: 3, stride: 1, generator);
        bn2 = ResNet.Norm(planes, options);
        downsample = ResNet.Downsample(input, planes, stride, options, generator);
        RegisterComponents();
    }

    /// <summary><c>[N, input, H, W]</c> → <c>[N, planes, H/stride, W/stride]</c>.</summary>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var x = bn1.call(conv1.call(input)).relu_();
        x = bn2.call(conv2.call(x));
        var identity = downsample is null ? input : downsample.call(input);
        return x.add_(identity).relu_().MoveToOuterDisposeScope();
    }
}
