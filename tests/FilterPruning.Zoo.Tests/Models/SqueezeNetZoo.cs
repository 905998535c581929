using TorchSharp.Modules;

namespace FilterPruning.Zoo;

/// <summary>SqueezeNet: narrow convolutions in front of two wide ones whose outputs are joined; the classifier is a convolution. torchvision <c>models/squeezenet.py</c>.</summary>
public static class SqueezeNetZoo
{
    /// <summary>Version 1.1.</summary>
    public static ZooModel SqueezeNet { get; } = ZooModel.Of("squeezenet1_1", () => new Network(), 2, 3, 64, 64) with { ReferenceMillions = (1.24, 0.44) };

    private sealed class Fire : nn.Module<Tensor, Tensor>
    {
        private readonly Conv2d squeeze;
        private readonly Conv2d expand1x1;
        private readonly Conv2d expand3x3;

        public Fire(long input, long narrow, long wide)
            : base(nameof(Fire))
        {
            squeeze = nn.Conv2d(input, narrow, 1);
            expand1x1 = nn.Conv2d(narrow, wide, 1);
            expand3x3 = nn.Conv2d(narrow, wide, 3, padding: 1);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            var x = squeeze.call(input).relu_();
            return cat([expand1x1.call(x).relu_(), expand3x3.call(x).relu_()], 1).MoveToOuterDisposeScope(); // [N, 2·wide, H, W]
        }
    }

    private sealed class Network : nn.Module<Tensor, Tensor>
    {
        private readonly Sequential features = nn.Sequential(
            nn.Conv2d(3, 64, 3, stride: 2),
            nn.ReLU(inplace: true),
            nn.MaxPool2d(3, stride: 2, ceil_mode: true),
            new Fire(64, 16, 64),
            new Fire(128, 16, 64),
            nn.MaxPool2d(3, stride: 2, ceil_mode: true),
            new Fire(128, 32, 128),
            new Fire(256, 32, 128),
            nn.MaxPool2d(3, stride: 2, ceil_mode: true),
            new Fire(256, 48, 192),
            new Fire(384, 48, 192),
            new Fire(384, 64, 256),
            new Fire(512, 64, 256));

        private readonly Sequential classifier = nn.Sequential(nn.Dropout(0.5), nn.Conv2d(512, 1000, 1), nn.ReLU(inplace: true), nn.AdaptiveAvgPool2d(1));

        public Network()
            : base("SqueezeNet")
        {
            RegisterComponents();
            // Without norms, the variance has to fit the fan-in.
            foreach (var convolution in modules().OfType<Conv2d>())
            {
                nn.init.kaiming_uniform_(convolution.weight!);
                nn.init.zeros_(convolution.bias!);
            }
        }

        public override Tensor forward(Tensor input) => classifier.call(features.call(input)).flatten(1);
    }
}
