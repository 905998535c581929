using TorchSharp.Modules;

namespace FilterPruning.Zoo;

/// <summary>VGG-16 with batch norm: convolutions with biases in front of norms, and the largest flatten of all. torchvision <c>models/vgg.py</c>.</summary>
public static class VggZoo
{
    /// <summary>Configuration D.</summary>
    public static ZooModel Vgg16Bn { get; } = ZooModel.Of("vgg16_bn", () => new Vgg([2, 2, 3, 3, 3], 1000), 2, 3, 64, 64) with { ReferenceMillions = (138.37, 35.62) };

    private sealed class Vgg : nn.Module<Tensor, Tensor>
    {
        private readonly Sequential features;
        private readonly Sequential classifier;

        public Vgg(int[] convolutions, long classes)
            : base(nameof(Vgg))
        {
            var layers = new List<nn.Module<Tensor, Tensor>>();
            var width = 3L;
            for (var stage = 0; stage < convolutions.Length; stage++)
            {
                for (var i = 0; i < convolutions[stage]; i++)
                {
                    var output = Math.Min(64L << stage, 512);
                    layers.AddRange([nn.Conv2d(width, output, 3, padding: 1), nn.BatchNorm2d(output), nn.ReLU(inplace: true)]);
                    width = output;
                }
                layers.Add(nn.MaxPool2d(2, stride: 2));
            }
            features = nn.Sequential(layers);
            classifier = nn.Sequential(
                ("0", nn.Linear(width * 7 * 7, 4096)),
                ("1", nn.ReLU(inplace: true)),
                ("2", nn.Dropout()),
                ("3", nn.Linear(4096, 4096)),
                ("4", nn.ReLU(inplace: true)),
                ("5", nn.Dropout()),
                ("6", nn.Linear(4096, classes)));
            RegisterComponents();
            VisionParts.KaimingFanOut(this);
        }

        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            var x = features.call(input);
            x = nn.functional.adaptive_avg_pool2d(x, 7);
            x = x.view(x.shape[0], -1); // [N, 512·49]
            return classifier.call(x).MoveToOuterDisposeScope();
        }
    }
}
