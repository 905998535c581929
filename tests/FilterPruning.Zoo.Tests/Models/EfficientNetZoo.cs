using TorchSharp.Modules;

namespace FilterPruning.Zoo;

/// <summary>EfficientNet: inverted residuals with squeeze and excitation, smooth activations. torchvision <c>models/efficientnet.py</c>, without stochastic depth.</summary>
public static class EfficientNetZoo
{
    /// <summary>The smallest of the family.</summary>
    public static ZooModel EfficientNetB0 { get; } = ZooModel.Of("efficientnet_b0", () => new Network(), 2, 3, 64, 64) with { ReferenceMillions = (5.29, 1.70) };

    private sealed class MBConv : nn.Module<Tensor, Tensor>
    {
        private readonly Sequential block;
        private readonly bool _residual;

        public MBConv(long input, long output, long expansion, long kernel, long stride)
            : base(nameof(MBConv))
        {
            _residual = stride == 1 && input == output;
            var expanded = input * expansion;
            var layers = new List<nn.Module<Tensor, Tensor>>();
            if (expanded != input) layers.Add(VisionParts.ConvNormActivation(input, expanded, 1, nn.SiLU(inplace: true)));
            layers.Add(VisionParts.ConvNormActivation(expanded, expanded, kernel, nn.SiLU(inplace: true), stride, groups: expanded));
            layers.Add(new SqueezeExcitation(expanded, Math.Max(1, input / 4), nn.SiLU(inplace: true), nn.Sigmoid()));
            layers.Add(VisionParts.ConvNormActivation(expanded, output, 1, activation: null));
            block = nn.Sequential(layers);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            var result = block.call(input);
            if (_residual) result += input;
            return result;
        }
    }

    private sealed class Network : nn.Module<Tensor, Tensor>
    {
        private readonly Sequential features;
        private readonly AdaptiveAvgPool2d avgpool = nn.AdaptiveAvgPool2d(1);
        private readonly Sequential classifier;

        public Network()
            : base("EfficientNet")
        {
            (long Expansion, long Kernel, long Stride, long Width, int Depth)[] stages =
                [(1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3), (6, 5, 2, 192, 4), (6, 3, 1, 320, 1)];
            var layers = new List<nn.Module<Tensor, Tensor>> { VisionParts.ConvNormActivation(3, 32, 3, nn.SiLU(inplace: true), stride: 2) };
            var channels = 32L;
            foreach (var stage in stages)
            {
                var blocks = new List<nn.Module<Tensor, Tensor>>();
                for (var i = 0; i < stage.Depth; i++)
                {
                    blocks.Add(new MBConv(channels, stage.Width, stage.Expansion, stage.Kernel, i == 0 ? stage.Stride : 1));
                    channels = stage.Width;
                }
                layers.Add(nn.Sequential(blocks));
            }
            layers.Add(VisionParts.ConvNormActivation(channels, 1280, 1, nn.SiLU(inplace: true)));
            features = nn.Sequential(layers);
            classifier = nn.Sequential(nn.Dropout(0.2, inplace: true), nn.Linear(1280, 1000));
            RegisterComponents();
            VisionParts.KaimingFanOut(this);
        }

        public override Tensor forward(Tensor input) => classifier.call(flatten(avgpool.call(features.call(input)), 1));
    }
}
