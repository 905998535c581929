using TorchSharp.Modules;

namespace FilterPruning.Zoo;

/// <summary>
/// ConvNeXt: channels move to the last axis for layer norms and linear layers and back again; a bare parameter scales each branch. torchvision <c>models/convnext.py</c>, without stochastic depth.
/// </summary>
public static class ConvNeXtZoo
{
    /// <summary>The smallest of the family. Its layer scale begins at 0.1 instead of 10⁻⁶, so that the branches take part in the answer as they do in a trained network.</summary>
    public static ZooModel Tiny { get; } = ZooModel.Of("convnext_tiny", () => new Network([96, 192, 384, 768], [3, 3, 9, 3], 0.1), 2, 3, 64, 64) with { ReferenceMillions = (28.59, 7.44) };

    private sealed class LayerNorm2d : nn.Module<Tensor, Tensor>
    {
        private readonly LayerNorm norm;

        public LayerNorm2d(long channels)
            : base(nameof(LayerNorm2d))
        {
            norm = nn.LayerNorm(channels, eps: 1e-6);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            var x = norm.call(input.permute(0, 2, 3, 1)); // [N, H, W, C]
            return x.permute(0, 3, 1, 2).MoveToOuterDisposeScope();
        }
    }

    private sealed class Block : nn.Module<Tensor, Tensor>
    {
        private readonly Conv2d dwconv;
        private readonly LayerNorm norm;
        private readonly Linear pwconv1;
        private readonly GELU act = nn.GELU();
        private readonly Linear pwconv2;
        private readonly Parameter layer_scale;

        public Block(long width, double layerScale)
            : base(nameof(Block))
        {
            dwconv = nn.Conv2d(width, width, 7, padding: 3, groups: width);
            norm = nn.LayerNorm(width, eps: 1e-6);
            pwconv1 = nn.Linear(width, 4 * width);
            pwconv2 = nn.Linear(4 * width, width);
            layer_scale = new Parameter(ones(width, 1, 1) * layerScale);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            var x = dwconv.call(input).permute(0, 2, 3, 1); // [N, H, W, C]
            x = pwconv2.call(act.call(pwconv1.call(norm.call(x))));
            var result = layer_scale * x.permute(0, 3, 1, 2); // [N, C, H, W]
            result += input;
            return result.MoveToOuterDisposeScope();
        }
    }

    private sealed class Network : nn.Module<Tensor, Tensor>
    {
        private readonly Sequential features;
        private readonly LayerNorm2d norm;
        private readonly Linear head;

        public Network(long[] widths, int[] depths, double layerScale)
            : base("ConvNeXt")
        {
            var layers = new List<nn.Module<Tensor, Tensor>> { nn.Sequential(nn.Conv2d(3, widths[0], 4, stride: 4), new LayerNorm2d(widths[0])) };
            for (var stage = 0; stage < widths.Length; stage++)
            {
                var width = widths[stage];
                if (stage > 0) layers.Add(nn.Sequential(new LayerNorm2d(widths[stage - 1]), nn.Conv2d(widths[stage - 1], width, 2, stride: 2)));
                layers.Add(nn.Sequential(Enumerable.Range(0, depths[stage]).Select(_ => new Block(width, layerScale)).ToArray<nn.Module<Tensor, Tensor>>()));
            }
            features = nn.Sequential(layers);
            norm = new LayerNorm2d(widths[^1]);
            head = nn.Linear(widths[^1], 1000);
            RegisterComponents();
            foreach (var (name, parameter) in named_parameters())
            {
                if (name.EndsWith(".weight", StringComparison.Ordinal) && parameter.dim() > 1) nn.init.normal_(parameter, std: 0.02);
            }
        }

        public override Tensor forward(Tensor input)
        {
            var x = features.call(input);
            x = norm.call(nn.functional.adaptive_avg_pool2d(x, 1)); // [N, C, 1, 1]
            return head.call(x.flatten(1));
        }
    }
}
