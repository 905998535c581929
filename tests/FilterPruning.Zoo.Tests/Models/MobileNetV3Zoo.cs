using TorchSharp.Modules;

namespace FilterPruning.Zoo;

/// <summary>MobileNetV3: inverted residuals with squeeze and excitation behind hard gates. torchvision <c>models/mobilenetv3.py</c>.</summary>
public static class MobileNetV3Zoo
{
    /// <summary>The large variant.</summary>
    public static ZooModel Large { get; } = ZooModel.Of("mobilenet_v3_large", () => new Network(), 2, 3, 64, 64) with { ReferenceMillions = (5.48, 1.72) };

    private const double NormEps = 1e-3;

    private static nn.Module<Tensor, Tensor> Activation(bool hard) => hard ? nn.Hardswish(inplace: true) : nn.ReLU(inplace: true);

    private sealed record Setting(long Input, long Kernel, long Expanded, long Output, bool Squeeze, bool Hard, long Stride);

    private sealed class InvertedResidual : nn.Module<Tensor, Tensor>
    {
        private readonly Sequential block;
        private readonly bool _residual;

        public InvertedResidual(Setting setting)
            : base(nameof(InvertedResidual))
        {
            var (input, kernel, expanded, output, squeeze, hard, stride) = setting;
            _residual = stride == 1 && input == output;
            var layers = new List<nn.Module<Tensor, Tensor>>();
            if (expanded != input) layers.Add(VisionParts.ConvNormActivation(input, expanded, 1, Activation(hard), eps: NormEps));
            layers.Add(VisionParts.ConvNormActivation(expanded, expanded, kernel, Activation(hard), stride, groups: expanded, eps: NormEps));
            if (squeeze) layers.Add(new SqueezeExcitation(expanded, VisionParts.MakeDivisible(expanded / 4.0), nn.ReLU(), nn.Hardsigmoid()));
            layers.Add(VisionParts.ConvNormActivation(expanded, output, 1, activation: null, eps: NormEps));
            block = nn.Sequential(layers);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            var result = block.call(input);
            return _residual ? result.add_(input) : result;
        }
    }

    private sealed class Network : nn.Module<Tensor, Tensor>
    {
        private static readonly Setting[] Settings =
        [
            new(16, 3, 16, 16, false, false, 1),
            new(16, 3, 64, 24, false, false, 2),
            new(24, 3, 72, 24, false, false, 1),
            new(24, 5, 72, 40, true, false, 2),
            new(40, 5, 120, 40, true, false, 1),
            new(40, 5, 120, 40, true, false, 1),
            new(40, 3, 240, 80, false, true, 2),
            new(80, 3, 200, 80, false, true, 1),
            new(80, 3, 184, 80, false, true, 1),
            new(80, 3, 184, 80, false, true, 1),
            new(80, 3, 480, 112, true, true, 1),
            new(112, 3, 672, 112, true, true, 1),
            new(112, 5, 672, 160, true, true, 2),
            new(160, 5, 960, 160, true, true, 1),
            new(160, 5, 960, 160, true, true, 1),
        ];

        private readonly Sequential features;
        private readonly AdaptiveAvgPool2d avgpool = nn.AdaptiveAvgPool2d(1);
        private readonly Sequential classifier;

        public Network()
            : base("MobileNetV3")
        {
            var layers = new List<nn.Module<Tensor, Tensor>> { VisionParts.ConvNormActivation(3, 16, 3, Activation(hard: true), stride: 2, eps: NormEps) };
            layers.AddRange(Settings.Select(setting => new InvertedResidual(setting)));
            layers.Add(VisionParts.ConvNormActivation(160, 960, 1, Activation(hard: true), eps: NormEps));
            features = nn.Sequential(layers);
            classifier = nn.Sequential(nn.Linear(960, 1280), nn.Hardswish(inplace: true), nn.Dropout(0.2, inplace: true), nn.Linear(1280, 1000));
            RegisterComponents();
            VisionParts.KaimingFanOut(this);
        }

        public override Tensor forward(Tensor input) => classifier.call(avgpool.call(features.call(input)).flatten(1));
    }
}
