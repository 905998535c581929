using TorchSharp.Modules;

namespace FilterPruning.Zoo;

/// <summary>RegNet: grouped convolutions of a fixed group width, and squeeze and excitation inside a residual bottleneck. torchvision <c>models/regnet.py</c>.</summary>
public static class RegNetZoo
{
    /// <summary>Groups of 8 channels.</summary>
    public static ZooModel RegNetY400Mf { get; } = ZooModel.Of("regnet_y_400mf", () => new Network([48, 104, 208, 440], [1, 3, 6, 6], 8), 2, 3, 64, 64) with { ReferenceMillions = (4.34, 1.21) };

    private sealed class ResBottleneckBlock : nn.Module<Tensor, Tensor>
    {
        private readonly Sequential? proj;
        private readonly Sequential f;
        private readonly ReLU activation = nn.ReLU(inplace: true);

        public ResBottleneckBlock(long input, long output, long stride, long groupWidth)
            : base(nameof(ResBottleneckBlock))
        {
            if (input != output || stride != 1) proj = VisionParts.ConvNormActivation(input, output, 1, activation: null, stride);
            f = nn.Sequential(
                ("a", VisionParts.ConvNormActivation(input, output, 1, nn.ReLU(inplace: true))),
                ("b", VisionParts.ConvNormActivation(output, output, 3, nn.ReLU(inplace: true), stride, groups: output / groupWidth)),
                ("se", new SqueezeExcitation(output, input / 4, nn.ReLU(inplace: true), nn.Sigmoid())),
                ("c", VisionParts.ConvNormActivation(output, output, 1, activation: null)));
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            var x = proj is null ? input : proj.call(input);
            return activation.call(x + f.call(input)).MoveToOuterDisposeScope();
        }
    }

    private sealed class Network : nn.Module<Tensor, Tensor>
    {
        private readonly Sequential stem = VisionParts.ConvNormActivation(3, 32, 3, nn.ReLU(inplace: true), stride: 2);
        private readonly ModuleList<Sequential> stages = nn.ModuleList<Sequential>();
        private readonly Linear fc;

        public Network(long[] widths, int[] depths, long groupWidth)
            : base("RegNet")
        {
            var channels = 32L;
            for (var stage = 0; stage < widths.Length; stage++)
            {
                var blocks = nn.Sequential();
                for (var i = 0; i < depths[stage]; i++)
                {
                    blocks.append($"block{stage + 1}-{i}", new ResBottleneckBlock(channels, widths[stage], i == 0 ? 2 : 1, groupWidth));
                    channels = widths[stage];
                }
                stages.Add(blocks);
            }
            fc = nn.Linear(channels, 1000);
            RegisterComponents();
            VisionParts.KaimingFanOut(this);
        }

        public override Tensor forward(Tensor input)
        {
            var x = stem.call(input);
            foreach (var stage in stages) x = stage.call(x);
            return fc.call(nn.functional.adaptive_avg_pool2d(x, 1).flatten(1));
        }
    }
}
