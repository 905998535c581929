using TorchSharp.Modules;

namespace FilterPruning.Zoo;

/// <summary>AlexNet: plain convolutions, and a flatten of 6×6 places for each channel into a linear layer. torchvision <c>models/alexnet.py</c>.</summary>
public static class AlexNetZoo
{
    /// <summary>At 96 px two places are left in each direction before the adaptive pooling to six.</summary>
    public static ZooModel AlexNet { get; } = ZooModel.Of("alexnet", () => new AlexNetModel(1000), 2, 3, 96, 96);

    private sealed class AlexNetModel : nn.Module<Tensor, Tensor>
    {
        private readonly Sequential features;
        private readonly AdaptiveAvgPool2d avgpool = nn.AdaptiveAvgPool2d((6, 6));
        private readonly Sequential classifier;

        public AlexNetModel(long classes)
            : base(nameof(AlexNetModel))
        {
            features = nn.Sequential(
                nn.Conv2d(3, 64, 11, stride: 4, padding: 2),
                nn.ReLU(inplace: true),
                nn.MaxPool2d(3, stride: 2),
                nn.Conv2d(64, 192, 5, padding: 2),
                nn.ReLU(inplace: true),
                nn.MaxPool2d(3, stride: 2),
                nn.Conv2d(192, 384, 3, padding: 1),
                nn.ReLU(inplace: true),
                nn.Conv2d(384, 256, 3, padding: 1),
                nn.ReLU(inplace: true),
                nn.Conv2d(256, 256, 3, padding: 1),
                nn.ReLU(inplace: true),
                nn.MaxPool2d(3, stride: 2));
            classifier = nn.Sequential(
                nn.Dropout(0.5),
                nn.Linear(256 * 6 * 6, 4096),
                nn.ReLU(inplace: true),
                nn.Dropout(0.5),
                nn.Linear(4096, 4096),
                nn.ReLU(inplace: true),
                nn.Linear(4096, classes));
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => classifier.call(flatten(avgpool.call(features.call(input)), 1));
    }
}
