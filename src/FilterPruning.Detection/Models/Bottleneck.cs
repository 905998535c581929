using FilterPruning.Inference;
using TorchSharp.Modules;

namespace FilterPruning.Detection.Models;

/// <summary>1×1, 3×3 and 1×1 convolutions and a shortcut: the block of ResNet-50 and -101. torchvision <c>models/resnet.py</c>.</summary>
internal sealed class Bottleneck : nn.Module<Tensor, Tensor>, IFusible
{
    private const int Expansion = 4;

    private readonly Conv2d conv1;
    private readonly nn.Module<Tensor, Tensor> bn1;
    private readonly Conv2d conv2;
    private readonly nn.Module<Tensor, Tensor> bn2;
    private readonly Conv2d conv3;
    private readonly nn.Module<Tensor, Tensor> bn3;
    private readonly Sequential? downsample;
    private readonly FusedConvolution _first;
    private readonly FusedConvolution _second;
    private readonly FusedConvolution _third;
    private readonly FusedConvolution? _shortcut;

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
        _first = new FusedConvolution(conv1, bn1);
        _second = new FusedConvolution(conv2, bn2);
        _third = new FusedConvolution(conv3, bn3);
        _shortcut = downsample is null ? null : new FusedConvolution(downsample);
    }

    IEnumerable<IFusedLayer> IFusible.Fusions => _shortcut is null ? [_first, _second, _third] : [_first, _second, _third, _shortcut];

    /// <summary><c>[N, input, H, W]</c> → <c>[N, 4 · planes, H/stride, W/stride]</c>.</summary>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var x = _first.Run(input, relu: true);
        x = _second.Run(x, relu: true);
        // Fused, the sum is part of the last convolution and needs the shortcut first.
        x = _third.IsFusedFor(x) ? _third.Run(x, Shortcut(input), relu: true) : _third.Run(x).add_(Shortcut(input)).relu_();
        return x.MoveToOuterDisposeScope();
    }

    private Tensor Shortcut(Tensor input) => _shortcut is null ? input : _shortcut.Run(input);
}
