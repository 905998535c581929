using FilterPruning.Detection.Ops;
using FilterPruning.Inference;
using TorchSharp.Modules;

namespace FilterPruning.Detection.Models;

/// <summary>The convolutions of a ResNet. torchvision <c>models/resnet.py</c>; He et al. 2015, with the stride on the 3×3 convolution.</summary>
internal sealed class ResNet : nn.Module<Tensor, Tensor[]>, IFusible
{
    private readonly Conv2d conv1;
    private readonly nn.Module<Tensor, Tensor> bn1;
    private readonly MaxPool2d maxpool;
    private readonly Sequential layer1;
    private readonly Sequential layer2;
    private readonly Sequential layer3;
    private readonly Sequential layer4;
    private readonly FusedConvolution _stem;

    /// <param name="shape">Blocks and their kind.</param>
    /// <param name="options">Width, normalisation.</param>
    /// <param name="generator">Draws the initial weights.</param>
    public ResNet(ResNetShape shape, MaskRcnnOptions options, Generator generator)
        : base(nameof(ResNet))
    {
        var width = options.BackboneWidth;
        conv1 = Convolution(3, width, kernel: 7, stride: 2, generator);
        bn1 = Norm(width, options);
        maxpool = nn.MaxPool2d(3, stride: 2, padding: 1);

        var channels = width;
        layer1 = Stage(0);
        layer2 = Stage(1);
        layer3 = Stage(2);
        layer4 = Stage(3);
        RegisterComponents();
        _stem = new FusedConvolution(conv1, bn1);

        Sequential Stage(int stage)
        {
            var planes = width << stage;
            var blocks = new List<nn.Module<Tensor, Tensor>>();
            for (var i = 0; i < shape.Blocks[stage]; i++)
            {
                var stride = i == 0 && stage > 0 ? 2 : 1;
                blocks.Add(shape.Bottleneck ? new Bottleneck(channels, planes, stride, options, generator) : new BasicBlock(channels, planes, stride, options, generator));
                channels = planes * shape.Expansion;
            }

            return nn.Sequential(blocks);
        }
    }

    IEnumerable<IFusedLayer> IFusible.Fusions => [_stem];

    /// <summary>float32 <c>[N, 3, H, W]</c> → the outputs of the four stages, at strides 4, 8, 16, 32.</summary>
    public override Tensor[] forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var x = _stem.Run(input, relu: true); // [N, 64, H/2, W/2]

        // libtorch's max pooling on the CPU is twenty times faster where channels lie innermost; the two copies cost a fraction of that.
        // A fused stem has left them so, and what follows it wants them so.
        var innermost = ChannelsLast.Is(x);
        x = maxpool.call(innermost ? x : ChannelsLast.Of(x)); // [N, 64, H/4, W/4]
        if (!innermost)
            x = x.contiguous();
        var c2 = layer1.call(x);
        var c3 = layer2.call(c2);
        var c4 = layer3.call(c3);
        var c5 = layer4.call(c4);
        return [c2.MoveToOuterDisposeScope(), c3.MoveToOuterDisposeScope(), c4.MoveToOuterDisposeScope(), c5.MoveToOuterDisposeScope()];
    }

    /// <summary>Stops the training of all but the last <paramref name="trainableLayers"/> stages; 5 trains the stem as well.</summary>
    public void Freeze(int trainableLayers)
    {
        string[] stages = ["layer4.", "layer3.", "layer2.", "layer1.", "conv1.", "bn1."];
        var trained = stages[..(trainableLayers == 5 ? 6 : trainableLayers)];
        foreach (var (name, parameter) in named_parameters())
        {
            if (!trained.Any(prefix => name.StartsWith(prefix, StringComparison.Ordinal)))
                parameter.requires_grad = false;
        }
    }

    /// <summary>A convolution without bias that keeps the size but for the stride.</summary>
    internal static Conv2d Convolution(long input, long output, long kernel, long stride, Generator generator)
    {
        var convolution = nn.Conv2d(input, output, kernel, stride: stride, padding: kernel / 2, bias: false);
        WeightInit.KaimingNormalFanOut(convolution.weight!, generator);
        return convolution;
    }

    internal static nn.Module<Tensor, Tensor> Norm(long channels, MaskRcnnOptions options) => options.Norm == BackboneNorm.Frozen
        ? new FrozenBatchNorm2d(channels, options.NormEps)
        : nn.BatchNorm2d(channels, eps: options.NormEps);

    /// <summary>The projection beside a block whose input has another shape than its output; null where none is needed.</summary>
    internal static Sequential? Downsample(long input, long output, long stride, MaskRcnnOptions options, Generator generator) => stride == 1 && input == output
        ? null
        : nn.Sequential(Convolution(input, output, kernel: 1, stride, generator), Norm(output, options));
}
