using TorchSharp.Modules;
using static TorchSharp.torch.nn;
using F = TorchSharp.torch.nn.functional;

namespace FilterPruning.Zoo;

/// <summary>A picture and a row of measurements, fused by a bilinear layer; a class and a box come out.</summary>
public static class TwoInTwoOutZoo
{
    /// <summary>Towers of 24 and 12 channels, fused into 20.</summary>
    public static ZooModel TwoInTwoOut { get; } = new("two_in_two_out", () => new Network(), model =>
    {
        using var generator = new Generator(1, CPU);
        return ((Network)model).call(randn([2, 3, 16, 16], dtype: float32, generator: generator), randn([2, 10], dtype: float32, generator: generator));
    });

    private sealed class Network : Module<Tensor, Tensor, (Tensor Logits, Tensor Box)>
    {
        private readonly Sequential picture;
        private readonly Linear first;
        private readonly BatchNorm1d norm;
        private readonly Linear second;
        private readonly Bilinear fuse;
        private readonly ModuleDict<Linear> heads;

        public Network()
            : base("TwoInTwoOut")
        {
            picture = Sequential(
                ("conv1", Conv2d(3, 16, 3, stride: 2, padding: 1)), ("bn1", BatchNorm2d(16)), ("relu1", ReLU(inplace: true)),
                ("conv2", Conv2d(16, 24, 3, padding: 1)), ("relu2", ReLU()), ("pool", AdaptiveAvgPool2d(1)), ("flatten", Flatten()));
            first = Linear(10, 18);
            norm = BatchNorm1d(18);
            second = Linear(18, 12);
            fuse = Bilinear(24, 12, 20);
            heads = ModuleDict(("class", Linear(20, 6)), ("box", Linear(20, 4)));
            RegisterComponents();
        }

        public override (Tensor Logits, Tensor Box) forward(Tensor image, Tensor measurements)
        {
            using var scope = NewDisposeScope();
            var seen = picture.call(image);
            var measured = second.call(F.relu(norm.call(first.call(measurements)))).tanh();
            var fused = F.relu(fuse.call(seen, measured), inplace: true);
            return (heads["class"].call(fused).MoveToOuterDisposeScope(), heads["box"].call(fused).sigmoid().MoveToOuterDisposeScope());
        }
    }
}
