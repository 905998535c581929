using TorchSharp.Modules;
using static TorchSharp.torch.nn;
using F = TorchSharp.torch.nn.functional;

namespace FilterPruning.Zoo;

/// <summary>Small networks around one building block each from the literature on classifiers.</summary>
public static class BlockZoo
{
    /// <summary>Res2Net: four parts of the channels, each but the first convolved together with the result of the part before it. Gao et al. 2019, figure 2.</summary>
    public static ZooModel Res2Net { get; } = Of("res2net-block", () => new HierarchicalBlock(16));

    /// <summary>ResNeSt with radix 2: a softmax over two parts for each channel. Zhang et al. 2020, figure 2.</summary>
    public static ZooModel SplitAttention { get; } = Of("split-attention-block", () => new SplitAttentionBlock(12));

    /// <summary>Selective kernels: a softmax between a narrow and a wide branch for each channel. Li et al. 2019, figure 1.</summary>
    public static ZooModel SelectiveKernel { get; } = Of("selective-kernel-block", () => new SelectiveKernelBlock(12));

    /// <summary>ECA: a 1-d convolution runs along the channel axis, so that each channel's gate depends on its neighbours by position. Wang et al. 2019.</summary>
    public static ZooModel ChannelConvolution { get; } = Of("channel-convolution-block", () => new ChannelConvolutionBlock(12)) with { Stays = [("conv1", "")] };

    /// <summary>GhostNet: half of the channels are cheap copies of the others. Han et al. 2019, figure 1.</summary>
    public static ZooModel Ghost { get; } = Of("ghost-block", () => new GhostBlock(16));

    /// <summary>RepVGG before its branches are merged: 3×3, 1×1 and a norm alone, summed. Ding et al. 2021, figure 2.</summary>
    public static ZooModel ThreeBranches { get; } = Of("three-branch-block", () => new ThreeBranchBlock(12));

    /// <summary>HRNet: two resolutions that are summed into each other. Sun et al. 2019, figure 3.</summary>
    public static ZooModel TwoResolutions { get; } = Of("two-resolution-block", () => new TwoResolutionBlock(8, 12));

    /// <summary>Non-local: places attend to each other; keys and queries meet in a product. Wang et al. 2017, figure 2.</summary>
    public static ZooModel NonLocal { get; } = Of("non-local-block", () => new NonLocalBlock(12));

    /// <summary>CoordConv: the places' coordinates are two more channels. Liu et al. 2018.</summary>
    public static ZooModel Coordinates { get; } = Of("coordinates-block", () => new CoordinatesBlock(12));

    /// <summary>MLP-Mixer: one linear layer runs along the places and carries the channels with it, the next one runs along the channels. Tolstikhin et al. 2021, figure 1.</summary>
    public static ZooModel Mixer { get; } = Of("mixer-block", () => new MixerBlock(16, 9)) with { Stays = [("patches", "")] };

    /// <summary>Largest and mean value of each channel through one shared pair of layers; then both as features side by side.</summary>
    public static ZooModel TwoPoolings { get; } = Of("two-poolings-block", () => new TwoPoolingsBlock(12));

    /// <summary>ShuffleNetV2's units where the widths allow halves of halves: 16 channels, two units.</summary>
    public static ZooModel ShuffleUnits { get; } = Of("shuffle-units", () => new ShuffleUnitsBlock(16, 2));

    /// <summary>The same with 12 channels and three units: the second half of a half of six is one and a half, so what passes by must stay.</summary>
    public static ZooModel ShuffleUnitsOdd { get; } = Of("shuffle-units-odd", () => new ShuffleUnitsBlock(12, 3)) with { Stays = [("stem", "number")] };

    /// <summary>ConvNeXt's layer scale over many channels and few places: among so many, some channel's gradient is a sum that all but cancels.</summary>
    public static ZooModel LayerScale { get; } = Of("layer-scale", () => new LayerScaleBlock(640));

    private static ZooModel Of(string name, Func<Module<Tensor, Tensor>> create) => ZooModel.Of(name, create, 2, 3, 12, 12);

    private static Conv2d Conv(long input, long output, long kernel = 3, long stride = 1, long groups = 1) => Conv2d(input, output, kernel, stride: stride, padding: kernel / 2, groups: groups);

    private sealed class HierarchicalBlock : Module<Tensor, Tensor>
    {
        private readonly Conv2d conv1;
        private readonly ModuleList<Conv2d> convs;
        private readonly Conv2d conv3;
        private readonly Linear fc;

        public HierarchicalBlock(long width)
            : base(nameof(HierarchicalBlock))
        {
            conv1 = Conv(3, width, 1);
            convs = ModuleList(Conv(width / 4, width / 4), Conv(width / 4, width / 4), Conv(width / 4, width / 4));
            conv3 = Conv(width, width, 1);
            fc = Linear(width, 5);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            var parts = F.relu(conv1.call(input)).chunk(4, 1);
            var done = new List<Tensor> { parts[0] };
            for (var i = 0; i < convs.Count; i++) done.Add(F.relu(convs[i].call(i == 0 ? parts[1] : parts[i + 1] + done[^1])));
            return fc.call(F.relu(conv3.call(cat(done, 1))).mean([2, 3])).MoveToOuterDisposeScope();
        }
    }

    private sealed class SplitAttentionBlock : Module<Tensor, Tensor>
    {
        private readonly Conv2d conv;
        private readonly Conv2d fc1;
        private readonly Conv2d fc2;
        private readonly Linear fc;

        public SplitAttentionBlock(long width)
            : base(nameof(SplitAttentionBlock))
        {
            conv = Conv(3, 2 * width);
            fc1 = Conv(width, 6, 1);
            fc2 = Conv(6, 2 * width, 1);
            fc = Linear(width, 5);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            var x = F.relu(conv.call(input));
            var parts = x.chunk(2, 1);
            var pooled = F.adaptive_avg_pool2d(parts[0] + parts[1], 1);
            var gate = fc2.call(F.relu(fc1.call(pooled))); // [N, 2·C, 1, 1]
            gate = F.softmax(gate.view(gate.shape[0], 2, -1, 1, 1), 1);
            var sum = (x.view(x.shape[0], 2, -1, x.shape[2], x.shape[3]) * gate).sum(1); // [N, C, H, W]
            return fc.call(sum.mean([2, 3])).MoveToOuterDisposeScope();
        }
    }

    private sealed class SelectiveKernelBlock : Module<Tensor, Tensor>
    {
        private readonly Conv2d narrow;
        private readonly Conv2d wide;
        private readonly Linear squeeze;
        private readonly ModuleList<Linear> gates;
        private readonly Linear fc;

        public SelectiveKernelBlock(long width)
            : base(nameof(SelectiveKernelBlock))
        {
            narrow = Conv(3, width);
            wide = Conv(3, width, 5);
            squeeze = Linear(width, 6);
            gates = ModuleList(Linear(6, width), Linear(6, width));
            fc = Linear(width, 5);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            var branches = stack([F.relu(narrow.call(input)), F.relu(wide.call(input))], 1); // [N, 2, C, H, W]
            var z = F.relu(squeeze.call(branches.sum(1).mean([2, 3])));
            var gate = F.softmax(stack(gates.Select(layer => layer.call(z)), 1), 1); // [N, 2, C]
            var x = (branches * gate.unsqueeze(-1).unsqueeze(-1)).sum(1);
            return fc.call(x.mean([2, 3])).MoveToOuterDisposeScope();
        }
    }

    private sealed class ChannelConvolutionBlock : Module<Tensor, Tensor>
    {
        private readonly Conv2d conv1;
        private readonly Conv1d gate = Conv1d(1, 1, 3, padding: 1, bias: false);
        private readonly Conv2d conv2;
        private readonly Linear fc;

        public ChannelConvolutionBlock(long width)
            : base(nameof(ChannelConvolutionBlock))
        {
            conv1 = Conv(3, width);
            conv2 = Conv(width, width);
            fc = Linear(width, 5);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            var x = F.relu(conv1.call(input));
            var y = F.adaptive_avg_pool2d(x, 1).squeeze(-1).transpose(-1, -2); // [N, 1, C]
            y = gate.call(y).transpose(-1, -2).unsqueeze(-1).sigmoid(); // [N, C, 1, 1]
            return fc.call(F.relu(conv2.call(x * y)).mean([2, 3])).MoveToOuterDisposeScope();
        }
    }

    private sealed class GhostBlock : Module<Tensor, Tensor>
    {
        private readonly Sequential primary;
        private readonly Sequential cheap;
        private readonly Conv2d conv2;
        private readonly Linear fc;

        public GhostBlock(long width)
            : base(nameof(GhostBlock))
        {
            primary = Sequential(Conv(3, width / 2, 1), BatchNorm2d(width / 2), ReLU(inplace: true));
            cheap = Sequential(Conv(width / 2, width / 2, groups: width / 2), BatchNorm2d(width / 2), ReLU(inplace: true));
            conv2 = Conv(width, width);
            fc = Linear(width, 5);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            var x = primary.call(input);
            x = cat([x, cheap.call(x)], 1);
            return fc.call(F.relu(conv2.call(x)).mean([2, 3]));
        }
    }

    private sealed class ThreeBranchBlock : Module<Tensor, Tensor>
    {
        private readonly Conv2d stem;
        private readonly Sequential dense;
        private readonly Sequential pointwise;
        private readonly BatchNorm2d identity;
        private readonly Linear fc;

        public ThreeBranchBlock(long width)
            : base(nameof(ThreeBranchBlock))
        {
            stem = Conv(3, width);
            dense = Sequential(Conv(width, width), BatchNorm2d(width));
            pointwise = Sequential(Conv(width, width, 1), BatchNorm2d(width));
            identity = BatchNorm2d(width);
            fc = Linear(width, 5);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            var x = stem.call(input).relu_();
            x = dense.call(x) + pointwise.call(x) + identity.call(x);
            return fc.call(x.relu_().mean([2, 3]));
        }
    }

    private sealed class TwoResolutionBlock : Module<Tensor, Tensor>
    {
        private readonly Conv2d fine;
        private readonly Conv2d coarse;
        private readonly Conv2d up;
        private readonly Conv2d down;
        private readonly Conv2d last;
        private readonly Linear fc;

        public TwoResolutionBlock(long width, long coarseWidth)
            : base(nameof(TwoResolutionBlock))
        {
            fine = Conv(3, width);
            coarse = Conv(3, coarseWidth, stride: 2);
            up = Conv(coarseWidth, width, 1);
            down = Conv(width, coarseWidth, stride: 2);
            last = Conv(width + coarseWidth, 10, 1);
            fc = Linear(10, 5);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            var (a, b) = (F.relu(fine.call(input)), F.relu(coarse.call(input)));
            var upper = F.relu(a + F.interpolate(up.call(b), scale_factor: [2, 2], mode: InterpolationMode.Nearest));
            var lower = F.relu(b + down.call(a));
            var joined = cat([upper, F.interpolate(lower, size: [upper.shape[2], upper.shape[3]], mode: InterpolationMode.Bilinear, align_corners: false)], 1);
            return fc.call(F.relu(last.call(joined)).amax([2, 3])).MoveToOuterDisposeScope();
        }
    }

    private sealed class NonLocalBlock : Module<Tensor, Tensor>
    {
        private readonly Conv2d stem;
        private readonly Conv2d theta;
        private readonly Conv2d phi;
        private readonly Conv2d g;
        private readonly Conv2d output;
        private readonly Linear fc;

        public NonLocalBlock(long width)
            : base(nameof(NonLocalBlock))
        {
            stem = Conv(3, width, stride: 2);
            theta = Conv(width, width / 2, 1);
            phi = Conv(width, width / 2, 1);
            g = Conv(width, width / 2, 1);
            output = Conv(width / 2, width, 1);
            fc = Linear(width, 5);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            var x = F.relu(stem.call(input));
            var attention = F.softmax(matmul(theta.call(x).flatten(2).transpose(1, 2), phi.call(x).flatten(2)), -1); // [N, HW, HW]
            var y = matmul(g.call(x).flatten(2), attention.transpose(1, 2)); // [N, C/2, HW]
            x = x + output.call(y.view(y.shape[0], y.shape[1], x.shape[2], x.shape[3]));
            return fc.call(x.mean([2, 3])).MoveToOuterDisposeScope();
        }
    }

    private sealed class CoordinatesBlock : Module<Tensor, Tensor>
    {
        private readonly Conv2d conv1;
        private readonly Conv2d conv2;
        private readonly Linear fc;

        public CoordinatesBlock(long width)
            : base(nameof(CoordinatesBlock))
        {
            conv1 = Conv(3, width);
            conv2 = Conv(width + 2, 10);
            fc = Linear(10, 5);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            var x = F.relu(conv1.call(input));
            var (n, h, w) = (x.shape[0], x.shape[2], x.shape[3]);
            var rows = linspace(-1, 1, h).view(1, 1, h, 1).expand(n, 1, h, w);
            var columns = linspace(-1, 1, w).view(1, 1, 1, w).expand(n, 1, h, w);
            return fc.call(F.relu(conv2.call(cat([x, rows, columns], 1))).mean([2, 3])).MoveToOuterDisposeScope();
        }
    }

    private sealed class MixerBlock : Module<Tensor, Tensor>
    {
        private readonly Conv2d patches;
        private readonly Linear tokens1;
        private readonly Linear tokens2;
        private readonly Linear channels1;
        private readonly Linear channels2;
        private readonly Linear head;

        public MixerBlock(long width, long places)
            : base(nameof(MixerBlock))
        {
            patches = Conv2d(3, width, 4, stride: 4);
            tokens1 = Linear(places, 14);
            tokens2 = Linear(14, places);
            channels1 = Linear(width, 24);
            channels2 = Linear(24, width);
            head = Linear(width, 5);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            var x = patches.call(input).flatten(2).transpose(1, 2); // [N, places, C]
            x = x + tokens2.call(F.gelu(tokens1.call(x.transpose(1, 2)))).transpose(1, 2);
            x = x + channels2.call(F.gelu(channels1.call(x)));
            return head.call(x.mean([1])).MoveToOuterDisposeScope();
        }
    }

    private sealed class TwoPoolingsBlock : Module<Tensor, Tensor>
    {
        private readonly Conv2d conv1;
        private readonly Sequential shared;
        private readonly Conv2d conv2;
        private readonly Linear fc;

        public TwoPoolingsBlock(long width)
            : base(nameof(TwoPoolingsBlock))
        {
            conv1 = Conv(3, width);
            shared = Sequential(Linear(width, 4), ReLU(), Linear(4, width));
            conv2 = Conv(width, 10);
            fc = Linear(20, 5);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            var x = F.relu(conv1.call(input));
            var gate = (shared.call(x.mean([2, 3])) + shared.call(x.amax([2, 3]))).sigmoid();
            x = F.relu(conv2.call(x * gate.unsqueeze(-1).unsqueeze(-1)));
            return fc.call(cat([x.amax([2, 3]), x.mean([2, 3])], 1)).MoveToOuterDisposeScope();
        }
    }

    private sealed class ShuffleUnitsBlock : Module<Tensor, Tensor>
    {
        private readonly Conv2d stem;
        private readonly ModuleList<Conv2d> units = ModuleList<Conv2d>();
        private readonly Conv2d last;
        private readonly Linear fc;

        public ShuffleUnitsBlock(long width, int count)
            : base(nameof(ShuffleUnitsBlock))
        {
            stem = Conv(3, width);
            for (var i = 0; i < count; i++) units.Add(Conv(width / 2, width / 2));
            last = Conv(width, 10);
            fc = Linear(10, 5);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            var x = F.relu(stem.call(input));
            foreach (var unit in units)
            {
                var halves = x.chunk(2, 1);
                x = Shuffle(cat([halves[0], F.relu(unit.call(halves[1]))], 1));
            }
            return fc.call(F.relu(last.call(x)).mean([2, 3])).MoveToOuterDisposeScope();

            static Tensor Shuffle(Tensor x)
            {
                var (n, c, h, w) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3]);
                return x.view(n, 2, c / 2, h, w).transpose(1, 2).reshape(n, c, h, w);
            }
        }
    }

    private sealed class LayerScaleBlock : Module<Tensor, Tensor>
    {
        private readonly Conv2d first;
        private readonly Conv2d inner;
        private readonly Parameter layer_scale;
        private readonly Linear fc;

        public LayerScaleBlock(long width)
            : base(nameof(LayerScaleBlock))
        {
            first = Conv(3, width, stride: 4);
            inner = Conv(width, width, 1);
            layer_scale = new Parameter(full([width, 1, 1], 0.1));
            fc = Linear(width, 5);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            var x = F.gelu(first.call(input));
            x = x + (layer_scale * inner.call(x));
            return fc.call(x.mean([2, 3])).MoveToOuterDisposeScope();
        }
    }
}
