using TorchSharp.Modules;
using static TorchSharp.torch.nn;
using F = TorchSharp.torch.nn.functional;

namespace FilterPruning.Zoo;

/// <summary>A small YOLO: cross-stage blocks that split by chunk, pyramid pooling, a path up and one down, three scales of anchors decoded into boxes.</summary>
public static class YoloZoo
{
    /// <summary>16 to 128 channels, three anchors per cell, four classes.</summary>
    public static ZooModel YoloCsp { get; } = new("yolo_csp", () => new Detector(16, 4), model => ((Detector)model).call(DetectorMath.Images(1, 96)))
    {
        Loss = model => ((Detector)model).Loss(DetectorMath.Images(2, 96)),
    };

    private sealed class ConvBlock : Module<Tensor, Tensor>
    {
        private readonly Conv2d conv;
        private readonly BatchNorm2d bn;
        private readonly SiLU act;

        public ConvBlock(long input, long output, long kernel = 1, long stride = 1)
            : base(nameof(ConvBlock))
        {
            conv = Conv2d(input, output, kernel, stride: stride, padding: (kernel - 1) / 2, bias: false);
            bn = BatchNorm2d(output);
            act = SiLU(inplace: true);
            RegisterComponents();
        }

        public override Tensor forward(Tensor x) => act.call(bn.call(conv.call(x)));
    }

    private sealed class Bottleneck : Module<Tensor, Tensor>
    {
        private readonly ConvBlock cv1;
        private readonly ConvBlock cv2;
        private readonly bool _add;

        public Bottleneck(long channels, bool add)
            : base(nameof(Bottleneck))
        {
            cv1 = new ConvBlock(channels, channels, 3);
            cv2 = new ConvBlock(channels, channels, 3);
            _add = add;
            RegisterComponents();
        }

        public override Tensor forward(Tensor x) => _add ? x + cv2.call(cv1.call(x)) : cv2.call(cv1.call(x));
    }

    /// <summary>One half passes, the other goes through bottlenecks, every step is kept.</summary>
    private sealed class CspBlock : Module<Tensor, Tensor>
    {
        private readonly ConvBlock cv1;
        private readonly ConvBlock cv2;
        private readonly ModuleList<Bottleneck> m;

        public CspBlock(long input, long output, int depth, bool add)
            : base(nameof(CspBlock))
        {
            cv1 = new ConvBlock(input, output);
            cv2 = new ConvBlock((2 + depth) * (output / 2), output);
            m = ModuleList(Enumerable.Range(0, depth).Select(_ => new Bottleneck(output / 2, add)).ToArray());
            RegisterComponents();
        }

        public override Tensor forward(Tensor x)
        {
            using var scope = NewDisposeScope();
            var parts = cv1.call(x).chunk(2, 1).ToList();
            foreach (var bottleneck in m) parts.Add(bottleneck.call(parts[^1]));
            return cv2.call(cat(parts, 1)).MoveToOuterDisposeScope();
        }
    }

    private sealed class PyramidPooling : Module<Tensor, Tensor>
    {
        private readonly ConvBlock cv1;
        private readonly ConvBlock cv2;
        private readonly MaxPool2d pool;

        public PyramidPooling(long channels)
            : base(nameof(PyramidPooling))
        {
            cv1 = new ConvBlock(channels, channels / 2);
            cv2 = new ConvBlock(2 * channels, channels);
            pool = MaxPool2d(5, stride: 1, padding: 2);
            RegisterComponents();
        }

        public override Tensor forward(Tensor x)
        {
            using var scope = NewDisposeScope();
            x = cv1.call(x);
            var (y1, y2) = (pool.call(x), pool.call(pool.call(x)));
            return cv2.call(cat([x, y1, y2, pool.call(y2)], 1)).MoveToOuterDisposeScope();
        }
    }

    private sealed class Detector : Module<Tensor, Tensor>
    {
        private readonly Sequential stem;
        private readonly Sequential stage3;
        private readonly Sequential stage4;
        private readonly Sequential stage5;
        private readonly Upsample upsample;
        private readonly CspBlock up4;
        private readonly CspBlock up3;
        private readonly ConvBlock down3;
        private readonly CspBlock out4;
        private readonly ConvBlock down4;
        private readonly CspBlock out5;
        private readonly ModuleList<Conv2d> detect;
        private readonly Tensor anchors;
        private readonly long _outputs;

        public Detector(long width, long classes)
            : base("YoloCsp")
        {
            var (w3, w4, w5) = (2 * width, 4 * width, 8 * width);
            _outputs = classes + 5;
            stem = Sequential(new ConvBlock(3, width / 2, 6, 2), new ConvBlock(width / 2, width, 3, 2), new CspBlock(width, width, 1, add: true));
            stage3 = Sequential(new ConvBlock(width, w3, 3, 2), new CspBlock(w3, w3, 2, add: true));
            stage4 = Sequential(new ConvBlock(w3, w4, 3, 2), new CspBlock(w4, w4, 1, add: true));
            stage5 = Sequential(new ConvBlock(w4, w5, 3, 2), new CspBlock(w5, w5, 1, add: true), new PyramidPooling(w5));
            upsample = Upsample(scale_factor: [2, 2], mode: UpsampleMode.Nearest);
            up4 = new CspBlock(w4 + w5, w4, 1, add: false);
            up3 = new CspBlock(w3 + w4, w3, 1, add: false);
            down3 = new ConvBlock(w3, w3, 3, 2);
            out4 = new CspBlock(w3 + w4, w4, 1, add: false);
            down4 = new ConvBlock(w4, w4, 3, 2);
            out5 = new CspBlock(w4 + w5, w5, 1, add: false);
            detect = ModuleList(new[] { w3, w4, w5 }.Select(channels => Conv2d(channels, 3 * _outputs, 1)).ToArray());
            anchors = tensor(new float[] { 10, 13, 16, 30, 33, 23, 30, 61, 62, 45, 59, 119, 116, 90, 156, 198, 373, 326 }).view(3, 3, 2);
            RegisterComponents();
        }

        /// <summary><c>[N, boxes, x y w h objectness classes]</c> in pixels.</summary>
        public override Tensor forward(Tensor images)
        {
            using var scope = NewDisposeScope();
            var decoded = Heads(images).Select((head, level) =>
            {
                var (n, rows, columns) = (head.shape[0], head.shape[2], head.shape[3]);
                var stride = images.shape[2] / rows;
                var y = head.view(n, -1, _outputs, rows, columns).permute(0, 1, 3, 4, 2).contiguous().sigmoid(); // [N, anchors, rows, columns, outputs]
                var grid = stack(meshgrid([arange(rows, dtype: float32), arange(columns, dtype: float32)], "ij").Reverse(), -1);
                var xy = (y[TensorIndex.Ellipsis, TensorIndex.Slice(0, 2)] * 2 - 0.5 + grid) * stride;
                var wh = (y[TensorIndex.Ellipsis, TensorIndex.Slice(2, 4)] * 2).pow(2) * anchors[level].view(1, -1, 1, 1, 2);
                return cat([xy, wh, y[TensorIndex.Ellipsis, TensorIndex.Slice(4)]], -1).view(n, -1, _outputs);
            });
            return cat(decoded.ToList(), 1).MoveToOuterDisposeScope();
        }

        /// <summary>Something to train on.</summary>
        public Tensor Loss(Tensor images)
        {
            using var scope = NewDisposeScope();
            return DetectorMath.SumOfSquares(Heads(images)).MoveToOuterDisposeScope();
        }

        private Tensor[] Heads(Tensor images)
        {
            var c3 = stage3.call(stem.call(images));
            var c4 = stage4.call(c3);
            var c5 = stage5.call(c4);
            var p4 = up4.call(cat([upsample.call(c5), c4], 1));
            var p3 = up3.call(cat([F.interpolate(p4, size: [c3.shape[2], c3.shape[3]], mode: InterpolationMode.Nearest), c3], 1));
            var n4 = out4.call(cat([down3.call(p3), p4], 1));
            var n5 = out5.call(cat([down4.call(n4), c5], 1));
            return [detect[0].call(p3), detect[1].call(n4), detect[2].call(n5)];
        }
    }
}
