using TorchSharp.Modules;
using static TorchSharp.torch.nn;

namespace FilterPruning.Zoo;

/// <summary>A Swin transformer (Liu et al., 2021) of two stages: windows, shifted windows, relative positions, patch merging.</summary>
public static class SwinZoo
{
    /// <summary>Stages of 32 and 64 channels, two blocks each, windows of 4 × 4, ten classes.</summary>
    public static ZooModel SwinSmall { get; } = ZooModel.Of("swin_small", () => new SwinTransformer(32, 2, 32, [2, 2], [2, 4], 4, 10), 1, 3, 32, 32);

    private static TensorIndex All => TensorIndex.Colon;

    /// <summary><c>[N, H, W, C]</c> → <c>[N · windows, window², C]</c>.</summary>
    private static Tensor Partition(Tensor x, long window)
    {
        var (n, height, width, channels) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3]);
        return x.view(n, height / window, window, width / window, window, channels).permute(0, 1, 3, 2, 4, 5).reshape(-1, window * window, channels);
    }

    /// <summary><c>[N · windows, window², C]</c> → <c>[N, H, W, C]</c>.</summary>
    private static Tensor Reverse(Tensor windows, long window, long height, long width) =>
        windows.view(-1, height / window, width / window, window, window, windows.shape[^1]).permute(0, 1, 3, 2, 4, 5).reshape(-1, height, width, windows.shape[^1]);

    private sealed class WindowAttention : Module<Tensor, Tensor?, Tensor>
    {
        private readonly long heads;
        private readonly double scale;
        private readonly Parameter relative_position_bias_table;
        private readonly Tensor relative_position_index;
        private readonly Linear qkv;
        private readonly Linear proj;

        public WindowAttention(long channels, long window, long heads)
            : base(nameof(WindowAttention))
        {
            this.heads = heads;
            scale = Math.Pow(channels / heads, -0.5);
            relative_position_bias_table = Parameter(init.trunc_normal_(zeros((2 * window - 1) * (2 * window - 1), heads), std: 0.02));
            relative_position_index = RelativePositions(window);
            qkv = Linear(channels, 3 * channels);
            proj = Linear(channels, channels);
            RegisterComponents();
        }

        /// <param name="x"><c>[windows, tokens, channels]</c></param>
        /// <param name="mask"><c>[windows of one image, tokens, tokens]</c>: -100 where two tokens must not see each other; null where all may.</param>
        public override Tensor forward(Tensor x, Tensor? mask)
        {
            using var scope = NewDisposeScope();
            var (b, n) = (x.shape[0], x.shape[1]);
            var parts = qkv.call(x).reshape(b, n, 3, heads, -1).permute(2, 0, 3, 1, 4); // [3, windows, heads, tokens, head_dim]
            var (q, k, v) = (parts[0], parts[1], parts[2]);
            var attention = (q * scale).matmul(k.transpose(-2, -1));
            attention = attention + relative_position_bias_table[relative_position_index.view(-1)].view(n, n, -1).permute(2, 0, 1).unsqueeze(0);
            if (mask is not null)
            {
                attention = attention.view(b / mask.shape[0], mask.shape[0], heads, n, n) + mask.unsqueeze(1).unsqueeze(0);
                attention = attention.view(-1, heads, n, n);
            }
            x = attention.softmax(-1).matmul(v).transpose(1, 2).reshape(b, n, -1);
            return proj.call(x).MoveToOuterDisposeScope();
        }

        // [window², window²]: for each pair of places which row of the table is theirs.
        private static Tensor RelativePositions(long window)
        {
            using var scope = NewDisposeScope();
            var coordinates = stack(meshgrid([arange(window, dtype: int64), arange(window, dtype: int64)], "ij")).flatten(1); // [2, window²]
            var relative = coordinates.unsqueeze(2) - coordinates.unsqueeze(1) + (window - 1);
            return (relative[0] * (2 * window - 1) + relative[1]).MoveToOuterDisposeScope();
        }
    }

    private sealed class SwinBlock : Module<Tensor, Tensor>
    {
        private readonly long window;
        private readonly long shift;
        private readonly LayerNorm norm1;
        private readonly WindowAttention attn;
        private readonly LayerNorm norm2;
        private readonly Sequential mlp;
        private readonly Tensor? attn_mask;

        public SwinBlock(long channels, long resolution, long heads, long window, long shift)
            : base(nameof(SwinBlock))
        {
            (this.window, this.shift) = (window, shift);
            norm1 = LayerNorm(channels);
            attn = new WindowAttention(channels, window, heads);
            norm2 = LayerNorm(channels);
            mlp = Sequential(("fc1", Linear(channels, 4 * channels)), ("act", GELU()), ("fc2", Linear(4 * channels, channels)));
            if (shift > 0) attn_mask = Mask(resolution, window, shift);
            RegisterComponents();
        }

        /// <summary><c>[N, H, W, C]</c> in and out.</summary>
        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            var (height, width) = (input.shape[1], input.shape[2]);
            var x = norm1.call(input);
            if (shift > 0) x = x.roll((-shift, -shift), (1, 2));
            x = Reverse(attn.call(Partition(x, window), attn_mask), window, height, width);
            if (shift > 0) x = x.roll((shift, shift), (1, 2));
            x = x + input;
            return (x + mlp.call(norm2.call(x))).MoveToOuterDisposeScope();
        }

        // Rolling brings together what is far apart; tokens of different regions must not see each other.
        private static Tensor Mask(long resolution, long window, long shift)
        {
            using var scope = NewDisposeScope();
            var regions = zeros(1, resolution, resolution, 1);
            (long From, long To)[] slices = [(0, resolution - window), (resolution - window, resolution - shift), (resolution - shift, resolution)];
            var region = 0;
            foreach (var rows in slices)
                foreach (var columns in slices)
                    regions[All, TensorIndex.Slice(rows.From, rows.To), TensorIndex.Slice(columns.From, columns.To), All] = region++;
            var windows = Partition(regions, window).squeeze(-1);
            var apart = (windows.unsqueeze(1) - windows.unsqueeze(2)).ne(0);
            return zeros(apart.shape).masked_fill(apart, -100).MoveToOuterDisposeScope();
        }
    }

    private sealed class PatchMerging : Module<Tensor, Tensor>
    {
        private readonly LayerNorm norm;
        private readonly Linear reduction;

        public PatchMerging(long channels)
            : base(nameof(PatchMerging))
        {
            norm = LayerNorm(4 * channels);
            reduction = Linear(4 * channels, 2 * channels, hasBias: false);
            RegisterComponents();
        }

        /// <summary><c>[N, H, W, C]</c> → <c>[N, H/2, W/2, 2C]</c>.</summary>
        public override Tensor forward(Tensor x)
        {
            using var scope = NewDisposeScope();
            var (even, odd) = (TensorIndex.Slice(0, null, 2), TensorIndex.Slice(1, null, 2));
            x = cat([x[All, even, even], x[All, odd, even], x[All, even, odd], x[All, odd, odd]], -1);
            return reduction.call(norm.call(x)).MoveToOuterDisposeScope();
        }
    }

    private sealed class SwinTransformer : Module<Tensor, Tensor>
    {
        private readonly Conv2d patch_embed;
        private readonly LayerNorm patch_norm;
        private readonly Sequential layers;
        private readonly LayerNorm norm;
        private readonly Linear head;

        public SwinTransformer(long imageSize, long patchSize, long width, int[] depths, long[] heads, long window, long classes)
            : base(nameof(SwinTransformer))
        {
            patch_embed = Conv2d(3, width, patchSize, stride: patchSize);
            patch_norm = LayerNorm(width);
            var stages = new List<Module<Tensor, Tensor>>();
            var resolution = imageSize / patchSize;
            for (var stage = 0; stage < depths.Length; stage++)
            {
                if (stage > 0)
                {
                    stages.Add(new PatchMerging(width));
                    (width, resolution) = (2 * width, resolution / 2);
                }
                for (var block = 0; block < depths[stage]; block++)
                    stages.Add(new SwinBlock(width, resolution, heads[stage], window, block % 2 == 0 ? 0 : window / 2));
            }
            layers = Sequential(stages.ToArray());
            norm = LayerNorm(width);
            head = Linear(width, classes);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            var x = patch_norm.call(patch_embed.call(input).permute(0, 2, 3, 1)); // [N, H, W, C]
            x = norm.call(layers.call(x)).mean([1, 2]);
            return head.call(x).MoveToOuterDisposeScope();
        }
    }
}
