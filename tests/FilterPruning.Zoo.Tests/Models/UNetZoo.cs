using TorchSharp.Modules;
using static TorchSharp.torch.nn;
using F = TorchSharp.torch.nn.functional;

namespace FilterPruning.Zoo;

/// <summary>U-Net (Ronneberger et al., 2015) as it is mostly written today: padded convolutions with norms, transposed convolutions upwards, skips by concatenation.</summary>
public static class UNetZoo
{
    /// <summary>Three levels deep, 16 to 128 channels, two classes per pixel.</summary>
    public static ZooModel UNet { get; } = ZooModel.Of("unet", () => new Network(3, 2, 16), 1, 3, 40, 36);

    private static Sequential DoubleConv(long input, long output) => Sequential(
        Conv2d(input, output, 3, padding: 1, bias: false), BatchNorm2d(output), ReLU(inplace: true),
        Conv2d(output, output, 3, padding: 1, bias: false), BatchNorm2d(output), ReLU(inplace: true));

    private sealed class Up : Module<Tensor, Tensor, Tensor>
    {
        private readonly ConvTranspose2d up;
        private readonly Sequential conv;

        public Up(long input, long output)
            : base(nameof(Up))
        {
            up = ConvTranspose2d(input, input / 2, 2, stride: 2);
            conv = DoubleConv(input, output);
            RegisterComponents();
        }

        public override Tensor forward(Tensor deep, Tensor skip)
        {
            using var scope = NewDisposeScope();
            var x = up.call(deep);
            // Odd sizes lose a row on the way down.
            var (rows, columns) = (skip.shape[2] - x.shape[2], skip.shape[3] - x.shape[3]);
            x = F.pad(x, [columns / 2, columns - columns / 2, rows / 2, rows - rows / 2]);
            return conv.call(cat([skip, x], 1)).MoveToOuterDisposeScope();
        }
    }

    private sealed class Network : Module<Tensor, Tensor>
    {
        private readonly Sequential inc;
        private readonly ModuleList<Sequential> downs = [];
        private readonly ModuleList<Up> ups = [];
        private readonly Conv2d outc;

        public Network(long channels, long classes, long width)
            : base("UNet")
        {
            inc = DoubleConv(channels, width);
            for (var level = 0; level < 3; level++)
            {
                downs.Add(Sequential(MaxPool2d(2), DoubleConv(width << level, width << (level + 1))));
                ups.Insert(0, new Up(width << (level + 1), width << level));
            }
            outc = Conv2d(width, classes, 1);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            var skips = new Stack<Tensor>();
            var x = inc.call(input);
            foreach (var down in downs)
            {
                skips.Push(x);
                x = down.call(x);
            }
            foreach (var up in ups) x = up.call(x, skips.Pop());
            return outc.call(x).MoveToOuterDisposeScope();
        }
    }
}
