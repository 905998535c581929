using TorchSharp.Modules;

namespace FilterPruning.Zoo;

/// <summary>MNASNet B1: inverted residuals in stacks, the mean over places taken by hand. torchvision <c>models/mnasnet.py</c>.</summary>
public static class MnasNetZoo
{
    /// <summary>Depth multiplier 1.0.</summary>
    public static ZooModel MnasNet { get; } = ZooModel.Of("mnasnet1_0", () => new Network(), 2, 3, 64, 64);

    private const double Momentum = 1 - 0.9997;

    private static BatchNorm2d Norm(long channels) => nn.BatchNorm2d(channels, momentum: Momentum);

    private sealed class InvertedResidual : nn.Module<Tensor, Tensor>
    {
        private readonly Sequential layers;
        private readonly bool _residual;

        public InvertedResidual(long input, long output, long kernel, long stride, long expansion)
            : base(nameof(InvertedResidual))
        {
            var inner = input * expansion;
            _residual = input == output && stride == 1;
            layers = nn.Sequential(
                nn.Conv2d(input, inner, 1, bias: false),
                Norm(inner),
                nn.ReLU(inplace: true),
                nn.Conv2d(inner, inner, kernel, stride: stride, padding: kernel / 2, groups: inner, bias: false),
                Norm(inner),
                nn.ReLU(inplace: true),
                nn.Conv2d(inner, output, 1, bias: false),
                Norm(output));
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            var x = layers.call(input);
            return _residual ? x + input : x;
        }
    }

    private sealed class Network : nn.Module<Tensor, Tensor>
    {
        private readonly Sequential layers;
        private readonly Sequential classifier;

        public Network()
            : base("MnasNet")
        {
            layers = nn.Sequential(
                nn.Conv2d(3, 32, 3, stride: 2, padding: 1, bias: false),
                Norm(32),
                nn.ReLU(inplace: true),
                nn.Conv2d(32, 32, 3, padding: 1, groups: 32, bias: false),
                Norm(32),
                nn.ReLU(inplace: true),
                nn.Conv2d(32, 16, 1, bias: false),
                Norm(16),
                Stack(16, 24, 3, 2, 3, 3),
                Stack(24, 40, 5, 2, 3, 3),
                Stack(40, 80, 5, 2, 6, 3),
                Stack(80, 96, 3, 1, 6, 2),
                Stack(96, 192, 5, 2, 6, 4),
                Stack(192, 320, 3, 1, 6, 1),
                nn.Conv2d(320, 1280, 1, bias: false),
                Norm(1280),
                nn.ReLU(inplace: true));
            classifier = nn.Sequential(nn.Dropout(0.2, inplace: true), nn.Linear(1280, 1000));
            RegisterComponents();
            VisionParts.KaimingFanOut(this);

            static Sequential Stack(long input, long output, long kernel, long stride, long expansion, int repeats) =>
                nn.Sequential(Enumerable.Range(0, repeats).Select(i => new InvertedResidual(i == 0 ? input : output, output, kernel, i == 0 ? stride : 1, expansion)).ToArray<nn.Module<Tensor, Tensor>>());
        }

        public override Tensor forward(Tensor input) => classifier.call(layers.call(input).mean([2, 3]));
    }
}
