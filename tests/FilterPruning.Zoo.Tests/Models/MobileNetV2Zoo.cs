using TorchSharp.Modules;

namespace FilterPruning.Zoo;

/// <summary>MobileNetV2: inverted residuals around depthwise convolutions, clipped activations. torchvision <c>models/mobilenetv2.py</c>.</summary>
public static class MobileNetV2Zoo
{
    /// <summary>Width 1.0.</summary>
    public static ZooModel MobileNetV2 { get; } = ZooModel.Of("mobilenet_v2", () => new Network(), 2, 3, 64, 64) with { ReferenceMillions = (3.50, 1.22) };

    private sealed class InvertedResidual : nn.Module<Tensor, Tensor>
    {
        private readonly Sequential conv;
        private readonly bool _residual;

        public InvertedResidual(long input, long output, long stride, long expansion)
            : base(nameof(InvertedResidual))
        {
            var hidden = input * expansion;
            _residual = stride == 1 && input == output;
            var layers = new List<nn.Module<Tensor, Tensor>>();
            if (expansion != 1) layers.Add(VisionParts.ConvNormActivation(input, hidden, 1, nn.ReLU6(inplace: true)));
            layers.Add(VisionParts.ConvNormActivation(hidden, hidden, 3, nn.ReLU6(inplace: true), stride, groups: hidden));
            layers.Add(nn.Conv2d(hidden, output, 1, bias: false));
            layers.Add(nn.BatchNorm2d(output));
            conv = nn.Sequential(layers);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => _residual ? input + conv.call(input) : conv.call(input);
    }

    private sealed class Network : nn.Module<Tensor, Tensor>
    {
        private readonly Sequential features;
        private readonly Sequential classifier;

        public Network()
            : base("MobileNetV2")
        {
            (long Expansion, long Width, int Depth, long Stride)[] stages = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)];
            var layers = new List<nn.Module<Tensor, Tensor>> { VisionParts.ConvNormActivation(3, 32, 3, nn.ReLU6(inplace: true), stride: 2) };
            var channels = 32L;
            foreach (var stage in stages)
            {
                for (var i = 0; i < stage.Depth; i++)
                {
                    layers.Add(new InvertedResidual(channels, stage.Width, i == 0 ? stage.Stride : 1, stage.Expansion));
                    channels = stage.Width;
                }
            }
            layers.Add(VisionParts.ConvNormActivation(channels, 1280, 1, nn.ReLU6(inplace: true)));
            features = nn.Sequential(layers);
            classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, 1000));
            RegisterComponents();
            VisionParts.KaimingFanOut(this);
        }

        public override Tensor forward(Tensor input)
        {
            var x = features.call(input);
            x = nn.functional.adaptive_avg_pool2d(x, 1);
            return classifier.call(flatten(x, 1));
        }
    }
}
