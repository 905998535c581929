using FilterPruning.Inference;
using TorchSharp.Modules;

namespace FilterPruning.Detection.Models;

/// <summary>Two 3×3 convolutions and a shortcut: the block of ResNet-18 and -34. torchvision <c>models/resnet.py</c>.</summary>
internal sealed class BasicBlock : nn.Module<Tensor, Tensor>, IFusible
{
    private readonly Conv2d conv1;
    private readonly nn.Module<Tensor, Tensor> bn1;
    private readonly Conv2d conv2;
    private readonly nn.Module<Tensor, Tensor> bn2;
    private readonly Sequential? downsample;
    private readonly FusedConvolution _first;
    private readonly FusedConvolution _second;
    private readonly FusedConvolution? _shortcut;

    public BasicBlock(long input, long planes, long stride, MaskRcnnOptions options, Generator generator)
        : base(nameof(BasicBlock))
    {
        conv1 = ResNet.Convolution(input, planes, kernel: 3, stride, generator);
        bn1 = ResNet.Norm(planes, options);
        conv2 = ResNet.Convolution(planes, planes, kernel: 3, stride: 1, generator);
        bn2 = ResNet.Norm(planes, options);
        downsample = ResNet.Downsample(input, planes, stride, options, generator);
        RegisterComponents();
        _first = new FusedConvolution(conv1, bn1);
        _second = new FusedConvolution(conv2, bn2);
        _shortcut = downsample is null ? null : new FusedConvolution(downsample);
    }

    IEnumerable<IFusedLayer> IFusible.Fusions => _shortcut is null ? [_first, _second] : [_first, _second, _shortcut];

    /// <summary><c>[N, input, H, W]</c> → <c>[N, planes, H/stride, W/stride]</c>.</summary>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var x = _first.Run(input, relu: true);
        // Fused, the sum is part of the last convolution and needs the shortcut first.
        x = _second.IsFusedFor(x) ? _second.Run(x, Shortcut(input), relu: true) : _second.Run(x).add_(Shortcut(input)).relu_();
        return x.MoveToOuterDisposeScope();
    }

    private Tensor Shortcut(Tensor input) => _shortcut is null ? input : _shortcut.Run(input);
}
