using TorchSharp.Modules;
using static TorchSharp.torch.nn;

namespace FilterPruning.Zoo;

/// <summary>The vision transformer (Dosovitskiy et al., 2020) with torchvision's names: <c>models/vision_transformer.py</c>.</summary>
public static class VitZoo
{
    /// <summary>ViT-B/32 in full size at 224 px: 88,224,232 parameters.</summary>
    public static ZooModel VitB32 { get; } = ZooModel.Of("vit_b_32", () => new VisionTransformer(224, 32, layers: 12, heads: 12, hidden: 768, mlp: 3072, classes: 1000), 1, 3, 224, 224);

    /// <summary>The same architecture with three narrow layers, for tests that cannot wait.</summary>
    public static ZooModel VitTiny { get; } = ZooModel.Of("vit_tiny", () => new VisionTransformer(32, 8, layers: 3, heads: 4, hidden: 48, mlp: 96, classes: 10), 1, 3, 32, 32);

    private sealed class EncoderBlock : Module<Tensor, Tensor>
    {
        private readonly LayerNorm ln_1;
        private readonly MultiheadAttention self_attention;
        private readonly Dropout dropout;
        private readonly LayerNorm ln_2;
        private readonly Sequential mlp;

        public EncoderBlock(long heads, long hidden, long mlpWidth)
            : base(nameof(EncoderBlock))
        {
            ln_1 = LayerNorm(hidden, eps: 1e-6);
            self_attention = MultiheadAttention(hidden, heads);
            dropout = Dropout(0);
            ln_2 = LayerNorm(hidden, eps: 1e-6);
            mlp = Sequential(Linear(hidden, mlpWidth), GELU(), Dropout(0), Linear(mlpWidth, hidden), Dropout(0));
            RegisterComponents();
        }

        /// <summary><c>[N, tokens, hidden]</c> in and out.</summary>
        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            var x = ln_1.call(input).transpose(0, 1); // [tokens, N, hidden]: the native module knows no batch_first
            x = self_attention.call(x, x, x, need_weights: false).Item1.transpose(0, 1);
            x = dropout.call(x) + input;
            return (x + mlp.call(ln_2.call(x))).MoveToOuterDisposeScope();
        }
    }

    private sealed class Encoder : Module<Tensor, Tensor>
    {
        private readonly Parameter pos_embedding;
        private readonly Dropout dropout;
        private readonly Sequential layers;
        private readonly LayerNorm ln;

        public Encoder(long tokens, int layerCount, long heads, long hidden, long mlp)
            : base(nameof(Encoder))
        {
            pos_embedding = Parameter(init.normal_(empty(1, tokens, hidden), std: 0.02));
            dropout = Dropout(0);
            layers = Sequential(Enumerable.Range(0, layerCount).Select(i => ($"encoder_layer_{i}", (Module<Tensor, Tensor>)new EncoderBlock(heads, hidden, mlp))).ToArray());
            ln = LayerNorm(hidden, eps: 1e-6);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            return ln.call(layers.call(dropout.call(input + pos_embedding))).MoveToOuterDisposeScope();
        }
    }

    private sealed class VisionTransformer : Module<Tensor, Tensor>
    {
        private readonly Parameter class_token;
        private readonly Conv2d conv_proj;
        private readonly Encoder encoder;
        private readonly Sequential heads;

        public VisionTransformer(long imageSize, long patchSize, int layers, long heads, long hidden, long mlp, long classes)
            : base(nameof(VisionTransformer))
        {
            var patches = imageSize / patchSize;
            conv_proj = Conv2d(3, hidden, patchSize, stride: patchSize);
            class_token = Parameter(zeros(1, 1, hidden));
            encoder = new Encoder(patches * patches + 1, layers, heads, hidden, mlp);
            this.heads = Sequential(("head", Linear(hidden, classes)));
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            var x = conv_proj.call(input).flatten(2).permute(0, 2, 1); // [N, patches, hidden]
            x = cat([class_token.expand(x.shape[0], -1, -1), x], 1);
            return heads.call(encoder.call(x)[TensorIndex.Colon, 0]).MoveToOuterDisposeScope();
        }
    }
}
