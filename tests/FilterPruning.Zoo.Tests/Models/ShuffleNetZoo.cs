using TorchSharp.Modules;

namespace FilterPruning.Zoo;

/// <summary>ShuffleNetV2: one half of the channels passes by, then both halves are interleaved. torchvision <c>models/shufflenetv2.py</c>.</summary>
public static class ShuffleNetZoo
{
    /// <summary>Width 1.0.</summary>
    public static ZooModel ShuffleNetV2 { get; } = ZooModel.Of("shufflenet_v2_x1_0", () => new Network(), 2, 3, 64, 64);

    private static Tensor ChannelShuffle(Tensor input, long groups)
    {
        var (n, channels, height, width) = (input.shape[0], input.shape[1], input.shape[2], input.shape[3]);
        var x = input.view(n, groups, channels / groups, height, width).transpose(1, 2).contiguous();
        return x.view(n, -1, height, width);
    }

    private sealed class InvertedResidual : nn.Module<Tensor, Tensor>
    {
        private readonly Sequential? branch1;
        private readonly Sequential branch2;

        public InvertedResidual(long input, long output, long stride)
            : base(nameof(InvertedResidual))
        {
            var half = output / 2;
            if (stride > 1)
                branch1 = nn.Sequential(Depthwise(input, stride), nn.BatchNorm2d(input), Pointwise(input, half), nn.BatchNorm2d(half), nn.ReLU(inplace: true));
            branch2 = nn.Sequential(
                Pointwise(stride > 1 ? input : half, half),
                nn.BatchNorm2d(half),
                nn.ReLU(inplace: true),
                Depthwise(half, stride),
                nn.BatchNorm2d(half),
                Pointwise(half, half),
                nn.BatchNorm2d(half),
                nn.ReLU(inplace: true));
            RegisterComponents();

            static Conv2d Depthwise(long channels, long stride) => nn.Conv2d(channels, channels, 3, stride: stride, padding: 1, groups: channels, bias: false);
            static Conv2d Pointwise(long input, long output) => nn.Conv2d(input, output, 1, bias: false);
        }

        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            Tensor joined;
            if (branch1 is null)
            {
                var halves = input.chunk(2, 1);
                joined = cat([halves[0], branch2.call(halves[1])], 1);
            }
            else
            {
                joined = cat([branch1.call(input), branch2.call(input)], 1);
            }
            return ChannelShuffle(joined, 2).MoveToOuterDisposeScope();
        }
    }

    private sealed class Network : nn.Module<Tensor, Tensor>
    {
        private readonly Sequential conv1 = nn.Sequential(nn.Conv2d(3, 24, 3, stride: 2, padding: 1, bias: false), nn.BatchNorm2d(24), nn.ReLU(inplace: true));
        private readonly MaxPool2d maxpool = nn.MaxPool2d(3, stride: 2, padding: 1);
        private readonly Sequential stage2 = Stage(24, 116, 4);
        private readonly Sequential stage3 = Stage(116, 232, 8);
        private readonly Sequential stage4 = Stage(232, 464, 4);
        private readonly Sequential conv5 = nn.Sequential(nn.Conv2d(464, 1024, 1, bias: false), nn.BatchNorm2d(1024), nn.ReLU(inplace: true));
        private readonly Linear fc = nn.Linear(1024, 1000);

        public Network()
            : base("ShuffleNetV2")
        {
            RegisterComponents();
            VisionParts.KaimingFanOut(this);
        }

        public override Tensor forward(Tensor input)
        {
            var x = maxpool.call(conv1.call(input));
            x = conv5.call(stage4.call(stage3.call(stage2.call(x))));
            return fc.call(x.mean([2, 3]));
        }

        private static Sequential Stage(long input, long output, int depth) =>
            nn.Sequential(Enumerable.Range(0, depth).Select(i => new InvertedResidual(i == 0 ? input : output, output, i == 0 ? 2 : 1)).ToArray<nn.Module<Tensor, Tensor>>());
    }
}
