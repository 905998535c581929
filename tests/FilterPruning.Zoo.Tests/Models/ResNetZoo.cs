using TorchSharp.Modules;

namespace FilterPruning.Zoo;

/// <summary>Residual networks: sums of a block and its input, with a projection where the shape changes. torchvision <c>models/resnet.py</c>.</summary>
public static class ResNetZoo
{
    /// <summary>Two 3×3 convolutions in each block.</summary>
    public static ZooModel ResNet18 { get; } =
        ZooModel.Of("resnet18", () => new ResNet((input, width, stride) => new BasicBlock(input, width, stride), [2, 2, 2, 2], 1), 2, 3, 64, 64) with { ReferenceMillions = (11.69, 3.06) };

    /// <summary>Bottlenecks, with the stride on the 3×3 convolution.</summary>
    public static ZooModel ResNet50 { get; } = WithBottlenecks("resnet50", groups: 1, groupWidth: 64) with { ReferenceMillions = (25.56, 6.92) };

    /// <summary>Bottlenecks with grouped convolutions: 32 groups of 4, 8, 16 and 32 channels.</summary>
    public static ZooModel ResNeXt50 { get; } = WithBottlenecks("resnext50_32x4d", groups: 32, groupWidth: 4) with { ReferenceMillions = (25.03, 6.79) };

    /// <summary>Bottlenecks twice as wide inside.</summary>
    public static ZooModel WideResNet50 { get; } = WithBottlenecks("wide_resnet50_2", groups: 1, groupWidth: 128);

    /// <summary>Bottlenecks, three times as many. No entry of the zoo, for it says nothing new about correctness.</summary>
    internal static ZooModel ResNet152 { get; } =
        ZooModel.Of("resnet152", () => new ResNet((input, width, stride) => new Bottleneck(input, width, stride, 1, 64), [3, 8, 36, 3], Bottleneck.Expansion), 2, 3, 64, 64);

    private static ZooModel WithBottlenecks(string name, long groups, long groupWidth) =>
        ZooModel.Of(name, () => new ResNet((input, width, stride) => new Bottleneck(input, width, stride, groups, groupWidth), [3, 4, 6, 3], Bottleneck.Expansion), 2, 3, 64, 64);

    private static Conv2d Convolution(long input, long output, long kernel, long stride = 1, long groups = 1) =>
        nn.Conv2d(input, output, kernel, stride: stride, padding: kernel / 2, groups: groups, bias: false);

    private static Sequential? Downsample(long input, long output, long stride) =>
        stride == 1 && input == output ? null : nn.Sequential(("0", Convolution(input, output, 1, stride)), ("1", nn.BatchNorm2d(output)));

    private sealed class BasicBlock : nn.Module<Tensor, Tensor>
    {
        private readonly Conv2d conv1;
        private readonly BatchNorm2d bn1;
        private readonly Conv2d conv2;
        private readonly BatchNorm2d bn2;
        private readonly Sequential? downsample;

        public BasicBlock(long input, long width, long stride)
            : base(nameof(BasicBlock))
        {
            conv1 = Convolution(input, width, 3, stride);
            bn1 = nn.BatchNorm2d(width);
            conv2 = Convolution(width, width, 3);
            bn2 = nn.BatchNorm2d(width);
            downsample = Downsample(input, width, stride);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            var x = nn.functional.relu(bn1.call(conv1.call(input)), inplace: true);
            x = bn2.call(conv2.call(x));
            x.add_(downsample is null ? input : downsample.call(input));
            return x.relu_().MoveToOuterDisposeScope();
        }
    }

    private sealed class Bottleneck : nn.Module<Tensor, Tensor>
    {
        public const long Expansion = 4;

        private readonly Conv2d conv1;
        private readonly BatchNorm2d bn1;
        private readonly Conv2d conv2;
        private readonly BatchNorm2d bn2;
        private readonly Conv2d conv3;
        private readonly BatchNorm2d bn3;
        private readonly ReLU relu = nn.ReLU(inplace: true);
        private readonly Sequential? downsample;

        public Bottleneck(long input, long width, long stride, long groups, long groupWidth)
            : base(nameof(Bottleneck))
        {
            var inner = width * groupWidth / 64 * groups;
            conv1 = Convolution(input, inner, 1);
            bn1 = nn.BatchNorm2d(inner);
            conv2 = Convolution(inner, inner, 3, stride, groups);
            bn2 = nn.BatchNorm2d(inner);
            conv3 = Convolution(inner, width * Expansion, 1);
            bn3 = nn.BatchNorm2d(width * Expansion);
            downsample = Downsample(input, width * Expansion, stride);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            var identity = downsample?.call(input) ?? input;
            var x = relu.call(bn1.call(conv1.call(input)));
            x = relu.call(bn2.call(conv2.call(x)));
            x = bn3.call(conv3.call(x));
            return relu.call(x + identity);
        }
    }

    private sealed class ResNet : nn.Module<Tensor, Tensor>
    {
        private readonly Conv2d conv1 = Convolution(3, 64, 7, stride: 2);
        private readonly BatchNorm2d bn1 = nn.BatchNorm2d(64);
        private readonly ReLU relu = nn.ReLU(inplace: true);
        private readonly MaxPool2d maxpool = nn.MaxPool2d(3, stride: 2, padding: 1);
        private readonly Sequential layer1;
        private readonly Sequential layer2;
        private readonly Sequential layer3;
        private readonly Sequential layer4;
        private readonly AdaptiveAvgPool2d avgpool = nn.AdaptiveAvgPool2d(1);
        private readonly Linear fc;

        public ResNet(Func<long, long, long, nn.Module<Tensor, Tensor>> block, int[] depths, long expansion)
            : base(nameof(ResNet))
        {
            var channels = 64L;
            layer1 = Stage(64, depths[0], 1);
            layer2 = Stage(128, depths[1], 2);
            layer3 = Stage(256, depths[2], 2);
            layer4 = Stage(512, depths[3], 2);
            fc = nn.Linear(channels, 1000);
            RegisterComponents();
            VisionParts.KaimingFanOut(this);

            Sequential Stage(long width, int depth, long stride)
            {
                var blocks = new List<nn.Module<Tensor, Tensor>>();
                for (var i = 0; i < depth; i++)
                {
                    blocks.Add(block(channels, width, i == 0 ? stride : 1));
                    channels = width * expansion;
                }
                return nn.Sequential(blocks);
            }
        }

        public override Tensor forward(Tensor input)
        {
            var x = maxpool.call(relu.call(bn1.call(conv1.call(input))));
            x = layer4.call(layer3.call(layer2.call(layer1.call(x))));
            return fc.call(avgpool.call(x).flatten(1));
        }
    }
}
