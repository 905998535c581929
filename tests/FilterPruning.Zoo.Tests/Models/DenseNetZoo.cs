using TorchSharp.Modules;

namespace FilterPruning.Zoo;

/// <summary>DenseNet: every layer reads all outputs before it, so that one filter is read by dozens of norms and convolutions. torchvision <c>models/densenet.py</c>.</summary>
public static class DenseNetZoo
{
    /// <summary>121 layers, growth 32.</summary>
    public static ZooModel DenseNet121 { get; } = ZooModel.Of("densenet121", () => new Network(32, [6, 12, 24, 16]), 2, 3, 64, 64) with { ReferenceMillions = (7.98, 2.27) };

    /// <summary>201 layers: three times as many channels are read as with 121. No entry of the zoo, for it says nothing new about correctness.</summary>
    internal static ZooModel DenseNet201 { get; } = ZooModel.Of("densenet201", () => new Network(32, [6, 12, 48, 32]), 2, 3, 64, 64);

    private sealed class DenseLayer : nn.Module<List<Tensor>, Tensor>
    {
        private readonly BatchNorm2d norm1;
        private readonly ReLU relu1 = nn.ReLU(inplace: true);
        private readonly Conv2d conv1;
        private readonly BatchNorm2d norm2;
        private readonly ReLU relu2 = nn.ReLU(inplace: true);
        private readonly Conv2d conv2;

        public DenseLayer(long input, long growth)
            : base(nameof(DenseLayer))
        {
            norm1 = nn.BatchNorm2d(input);
            conv1 = nn.Conv2d(input, 4 * growth, 1, bias: false);
            norm2 = nn.BatchNorm2d(4 * growth);
            conv2 = nn.Conv2d(4 * growth, growth, 3, padding: 1, bias: false);
            RegisterComponents();
        }

        public override Tensor forward(List<Tensor> features)
        {
            using var scope = NewDisposeScope();
            var x = conv1.call(relu1.call(norm1.call(cat(features, 1)))); // [N, 4·growth, H, W]
            return conv2.call(relu2.call(norm2.call(x))).MoveToOuterDisposeScope(); // [N, growth, H, W]
        }
    }

    private sealed class DenseBlock : nn.Module<Tensor, Tensor>
    {
        private readonly ModuleList<DenseLayer> layers = nn.ModuleList<DenseLayer>();

        public DenseBlock(int depth, long input, long growth)
            : base(nameof(DenseBlock))
        {
            for (var i = 0; i < depth; i++) layers.Add(new DenseLayer(input + (i * growth), growth));
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            var features = new List<Tensor> { input };
            foreach (var layer in layers) features.Add(layer.call(features));
            return cat(features, 1);
        }
    }

    private sealed class Network : nn.Module<Tensor, Tensor>
    {
        private readonly Sequential features;
        private readonly Linear classifier;

        public Network(long growth, int[] depths)
            : base("DenseNet")
        {
            var layers = new List<(string, nn.Module<Tensor, Tensor>)>
            {
                ("conv0", nn.Conv2d(3, 64, 7, stride: 2, padding: 3, bias: false)),
                ("norm0", nn.BatchNorm2d(64)),
                ("relu0", nn.ReLU(inplace: true)),
                ("pool0", nn.MaxPool2d(3, stride: 2, padding: 1)),
            };
            var width = 64L;
            for (var i = 0; i < depths.Length; i++)
            {
                layers.Add(($"denseblock{i + 1}", new DenseBlock(depths[i], width, growth)));
                width += depths[i] * growth;
                if (i == depths.Length - 1) break;
                layers.Add(($"transition{i + 1}", Transition(width, width / 2)));
                width /= 2;
            }
            layers.Add(("norm5", nn.BatchNorm2d(width)));
            features = nn.Sequential(layers);
            classifier = nn.Linear(width, 1000);
            RegisterComponents();
            VisionParts.KaimingFanOut(this);
        }

        public override Tensor forward(Tensor input)
        {
            var x = nn.functional.relu(features.call(input), inplace: true);
            x = nn.functional.adaptive_avg_pool2d(x, 1);
            return classifier.call(flatten(x, 1));
        }

        private static Sequential Transition(long input, long output) => nn.Sequential(
            ("norm", nn.BatchNorm2d(input)),
            ("relu", nn.ReLU(inplace: true)),
            ("conv", nn.Conv2d(input, output, 1, bias: false)),
            ("pool", nn.AvgPool2d(2, stride: 2)));
    }
}
