using TorchSharp.Modules;
using static TorchSharp.torch.nn;
using F = TorchSharp.torch.nn.functional;

namespace FilterPruning.Zoo;

/// <summary>DeepLab v3 (Chen et al., 2017) with torchvision's parts: a dilated ResNet, spatial pyramid pooling with an image branch, an auxiliary head.</summary>
public static class DeepLabZoo
{
    /// <summary>Stages of 32 to 80 channels, six classes per pixel. Two images: the image branch normalises one value per image.</summary>
    public static ZooModel DeepLabV3 { get; } = new("deeplab_v3", () => new Network(6), model => ((Network)model).call(DetectorMath.Images(2, 64)));

    private static Sequential ConvNormRelu(long input, long output, long kernel, long dilation = 1) => Sequential(
        Conv2d(input, output, kernel, padding: dilation * (kernel / 2), dilation: dilation, bias: false), BatchNorm2d(output), ReLU());

    private sealed class Bottleneck : Module<Tensor, Tensor>
    {
        private readonly Conv2d conv1, conv2, conv3;
        private readonly BatchNorm2d bn1, bn2, bn3;
        private readonly ReLU relu = ReLU(inplace: true);
        private readonly Sequential? downsample;

        public Bottleneck(long input, long planes, long stride, long dilation)
            : base(nameof(Bottleneck))
        {
            conv1 = Conv2d(input, planes, 1, bias: false);
            bn1 = BatchNorm2d(planes);
            conv2 = Conv2d(planes, planes, 3, stride: stride, padding: dilation, dilation: dilation, bias: false);
            bn2 = BatchNorm2d(planes);
            conv3 = Conv2d(planes, 4 * planes, 1, bias: false);
            bn3 = BatchNorm2d(4 * planes);
            if (input != 4 * planes || stride > 1) downsample = Sequential(Conv2d(input, 4 * planes, 1, stride: stride, bias: false), BatchNorm2d(4 * planes));
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            var x = relu.call(bn1.call(conv1.call(input)));
            x = relu.call(bn2.call(conv2.call(x)));
            x = bn3.call(conv3.call(x));
            x += downsample is null ? input : downsample.call(input);
            return relu.call(x).MoveToOuterDisposeScope();
        }
    }

    private sealed class ImagePooling : Module<Tensor, Tensor>
    {
        private readonly AdaptiveAvgPool2d pool = AdaptiveAvgPool2d(1);
        private readonly Sequential conv;

        public ImagePooling(long input, long output)
            : base(nameof(ImagePooling))
        {
            conv = ConvNormRelu(input, output, 1);
            RegisterComponents();
        }

        public override Tensor forward(Tensor x)
        {
            using var scope = NewDisposeScope();
            return F.interpolate(conv.call(pool.call(x)), size: [x.shape[2], x.shape[3]], mode: InterpolationMode.Bilinear, align_corners: false).MoveToOuterDisposeScope();
        }
    }

    private sealed class SpatialPyramid : Module<Tensor, Tensor>
    {
        private readonly ModuleList<Module<Tensor, Tensor>> convs;
        private readonly Sequential project;

        public SpatialPyramid(long input, long output, long[] rates)
            : base(nameof(SpatialPyramid))
        {
            convs = ModuleList<Module<Tensor, Tensor>>([ConvNormRelu(input, output, 1), .. rates.Select(rate => ConvNormRelu(input, output, 3, rate)), new ImagePooling(input, output)]);
            project = Sequential(Conv2d(convs.Count * output, output, 1, bias: false), BatchNorm2d(output), ReLU(), Dropout(0.5));
            RegisterComponents();
        }

        public override Tensor forward(Tensor x)
        {
            using var scope = NewDisposeScope();
            return project.call(cat(convs.Select(conv => conv.call(x)).ToList(), 1)).MoveToOuterDisposeScope();
        }
    }

    private sealed class Network : Module<Tensor, Dictionary<string, Tensor>>
    {
        private readonly ModuleDict<Sequential> backbone;
        private readonly Sequential classifier;
        private readonly Sequential aux_classifier;

        public Network(long classes)
            : base("DeepLabV3")
        {
            backbone = ModuleDict(
                ("stem", Sequential(Conv2d(3, 16, 7, stride: 2, padding: 3, bias: false), BatchNorm2d(16), ReLU(inplace: true), MaxPool2d(3, stride: 2, padding: 1))),
                ("layer1", Sequential(new Bottleneck(16, 8, 1, 1))),
                ("layer2", Sequential(new Bottleneck(32, 12, 2, 1))),
                ("layer3", Sequential(new Bottleneck(48, 16, 1, 1), new Bottleneck(64, 16, 1, 2))),
                ("layer4", Sequential(new Bottleneck(64, 20, 1, 2), new Bottleneck(80, 20, 1, 4))));
            classifier = Sequential(new SpatialPyramid(80, 32, [2, 4, 6]), Conv2d(32, 32, 3, padding: 1, bias: false), BatchNorm2d(32), ReLU(), Conv2d(32, classes, 1));
            aux_classifier = Sequential(Conv2d(64, 16, 3, padding: 1, bias: false), BatchNorm2d(16), ReLU(), Dropout(0.1), Conv2d(16, classes, 1));
            RegisterComponents();
        }

        public override Dictionary<string, Tensor> forward(Tensor images)
        {
            using var scope = NewDisposeScope();
            var x = images;
            var auxiliary = x;
            foreach (var name in new[] { "stem", "layer1", "layer2", "layer3", "layer4" })
            {
                x = backbone[name].call(x);
                if (name == "layer3") auxiliary = x;
            }
            return new Dictionary<string, Tensor> { ["out"] = Enlarge(classifier.call(x), images), ["aux"] = Enlarge(aux_classifier.call(auxiliary), images) };
        }

        private static Tensor Enlarge(Tensor x, Tensor images) =>
            F.interpolate(x, size: [images.shape[2], images.shape[3]], mode: InterpolationMode.Bilinear, align_corners: false).MoveToOuterDisposeScope();
    }
}
