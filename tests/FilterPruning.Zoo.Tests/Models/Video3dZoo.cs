using TorchSharp.Modules;
using static TorchSharp.torch.nn;
using F = TorchSharp.torch.nn.functional;

namespace FilterPruning.Zoo;

/// <summary>A video classifier: a residual network of three-dimensional convolutions, as torchvision's <c>models/video/resnet.py</c>.</summary>
public static class Video3dZoo
{
    /// <summary>16 to 64 channels, the later convolutions factored into space and time; eight frames of 32 pixels.</summary>
    public static ZooModel Video3d { get; } = ZooModel.Of("video3d", () => new Network(6), 1, 3, 8, 32, 32);

    private sealed class Block : Module<Tensor, Tensor>
    {
        private readonly Sequential conv1;
        private readonly Sequential conv2;
        private readonly Sequential? downsample;

        public Block(long input, long output, long stride, bool factored)
            : base(nameof(Block))
        {
            conv1 = Sequential(Convolution(input, output, stride, factored), BatchNorm3d(output), ReLU(inplace: true));
            conv2 = Sequential(Convolution(output, output, 1, factored), BatchNorm3d(output));
            if (stride > 1 || input != output) downsample = Sequential(Conv3d(input, output, 1, stride: stride, bias: false), BatchNorm3d(output));
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            var x = conv2.call(conv1.call(input));
            return F.relu(x + (downsample is null ? input : downsample.call(input)), inplace: true).MoveToOuterDisposeScope();
        }

        private static Module<Tensor, Tensor> Convolution(long input, long output, long stride, bool factored)
        {
            if (!factored) return Conv3d(input, output, 3, stride: stride, padding: 1, bias: false);
            var middle = input * output * 27 / (input * 9 + 3 * output);
            return Sequential(
                Conv3d(input, middle, (1, 3, 3), stride: (1, stride, stride), padding: (0, 1, 1), bias: false), BatchNorm3d(middle), ReLU(inplace: true),
                Conv3d(middle, output, (3, 1, 1), stride: (stride, 1, 1), padding: (1, 0, 0), bias: false));
        }
    }

    private sealed class Network : Module<Tensor, Tensor>
    {
        private readonly Sequential stem;
        private readonly Sequential layer1;
        private readonly Sequential layer2;
        private readonly Sequential layer3;
        private readonly Linear fc;

        public Network(long classes)
            : base("Video3d")
        {
            stem = Sequential(Conv3d(3, 16, (3, 7, 7), stride: (1, 2, 2), padding: (1, 3, 3), bias: false), BatchNorm3d(16), ReLU(inplace: true));
            layer1 = Sequential(new Block(16, 16, 1, factored: false), new Block(16, 16, 1, factored: false));
            layer2 = Sequential(new Block(16, 32, 2, factored: true));
            layer3 = Sequential(MaxPool3d(2), new Block(32, 64, 1, factored: true));
            fc = Linear(64, classes);
            RegisterComponents();
        }

        public override Tensor forward(Tensor clip)
        {
            using var scope = NewDisposeScope();
            var x = layer3.call(layer2.call(layer1.call(stem.call(clip))));
            return fc.call(F.adaptive_avg_pool3d(x, 1).flatten(1)).MoveToOuterDisposeScope();
        }
    }
}
