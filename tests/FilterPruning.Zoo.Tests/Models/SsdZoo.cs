using FilterPruning.Detection.Ops;
using TorchSharp.Modules;
using static TorchSharp.torch.nn;
using F = TorchSharp.torch.nn.functional;

namespace FilterPruning.Zoo;

/// <summary>SSD300 (Liu et al., 2016) on a narrow VGG: six levels, the first normalised over its channels and scaled by learnt factors.</summary>
public static class SsdZoo
{
    /// <summary>Levels of 38, 19, 10, 5, 3 and 1 cells, five classes with the background.</summary>
    public static ZooModel Ssd300 { get; } = new("ssd300", () => new Detector(), model => ((Detector)model).call(DetectorMath.Images(1, 300)))
    {
        Loss = model => ((Detector)model).Loss(DetectorMath.Images(1, 300)),
        CountsVary = true,
    };

    /// <summary>Divides each position by its length over the channels, and scales each channel.</summary>
    private sealed class L2Norm : Module<Tensor, Tensor>
    {
        private readonly Parameter scale_weight;

        public L2Norm(long channels, double scale)
            : base(nameof(L2Norm))
        {
            scale_weight = Parameter(ones(channels) * scale);
            RegisterComponents();
        }

        public override Tensor forward(Tensor x) => scale_weight.view(1, -1, 1, 1) * F.normalize(x, dim: 1);
    }

    private sealed class Detector : Module<Tensor, (Tensor Boxes, Tensor Scores, Tensor Labels)>
    {
        private const int Classes = 5;
        private static readonly int[] AnchorCounts = [3, 3, 3, 3, 2, 2];
        private static readonly BoxCoder Coder = new(10, 10, 5, 5);

        private readonly Sequential early;
        private readonly Conv2d conv4_3;
        private readonly L2Norm l2norm;
        private readonly Sequential late;
        private readonly ModuleList<Sequential> extra;
        private readonly ModuleList<Conv2d> conf;
        private readonly ModuleList<Conv2d> loc;

        public Detector()
            : base("Ssd300")
        {
            early = Sequential([.. Convs(3, 8, 2), MaxPool2d(2), .. Convs(8, 12, 2), MaxPool2d(2), .. Convs(12, 16, 2), MaxPool2d(2, ceil_mode: true), .. Convs(16, 24, 2)]);
            conv4_3 = Conv2d(24, 24, 3, padding: 1);
            l2norm = new L2Norm(24, 20);
            late = Sequential([MaxPool2d(2), .. Convs(24, 24, 2), MaxPool2d(3, stride: 1, padding: 1), Conv2d(24, 40, 3, padding: 6, dilation: 6), ReLU(inplace: true), Conv2d(40, 40, 1), ReLU(inplace: true)]);
            extra = ModuleList(Extra(40, 12, 24, 2, 1), Extra(24, 8, 16, 2, 1), Extra(16, 8, 16, 1, 0), Extra(16, 8, 16, 1, 0));
            long[] widths = [24, 40, 24, 16, 16, 16];
            conf = ModuleList(widths.Select((width, i) => Conv2d(width, AnchorCounts[i] * Classes, 3, padding: 1)).ToArray());
            loc = ModuleList(widths.Select((width, i) => Conv2d(width, AnchorCounts[i] * 4, 3, padding: 1)).ToArray());
            RegisterComponents();
        }

        public override (Tensor Boxes, Tensor Scores, Tensor Labels) forward(Tensor image)
        {
            using var scope = NewDisposeScope();
            var levels = Levels(image);
            var logits = cat(levels.Select((level, i) => DetectorMath.PerAnchor(conf[i].call(level), Classes)).ToList(), 1)[0]; // [anchors, classes]
            var deltas = cat(levels.Select((level, i) => DetectorMath.PerAnchor(loc[i].call(level), 4)).ToList(), 1)[0];
            var anchors = cat(levels.Select((level, i) => DetectorMath.Anchors(level, 300, [30 + 45 * i], i < 4 ? [0.5, 1, 2] : [0.5, 2])).ToList());
            var boxes = BoxOps.ClipToImage(Coder.DecodeSingle(deltas, anchors), (300, 300));
            var scores = logits.softmax(-1)[TensorIndex.Colon, TensorIndex.Slice(1)]; // the background is no answer
            var (best, box, label) = DetectorMath.Best(scores, 100);
            boxes = boxes[box];
            var kept = BoxOps.BatchedNms(boxes, best, label, 0.45);
            return (boxes[kept].MoveToOuterDisposeScope(), best[kept].MoveToOuterDisposeScope(), (label[kept] + 1).MoveToOuterDisposeScope());
        }

        /// <summary>Something to train on.</summary>
        public Tensor Loss(Tensor image)
        {
            using var scope = NewDisposeScope();
            return DetectorMath.SumOfSquares(Levels(image).SelectMany((level, i) => new[] { conf[i].call(level), loc[i].call(level) })).MoveToOuterDisposeScope();
        }

        private List<Tensor> Levels(Tensor image)
        {
            var x = F.relu(conv4_3.call(early.call(image)));
            var levels = new List<Tensor> { l2norm.call(x) };
            x = late.call(x);
            levels.Add(x);
            foreach (var more in extra) levels.Add(x = more.call(x));
            return levels;
        }

        private static IEnumerable<Module<Tensor, Tensor>> Convs(long input, long output, int count)
        {
            for (var i = 0; i < count; i++)
            {
                yield return Conv2d(i == 0 ? input : output, output, 3, padding: 1);
                yield return ReLU(inplace: true);
            }
        }

        private static Sequential Extra(long input, long inner, long output, long stride, long padding) =>
            Sequential(Conv2d(input, inner, 1), ReLU(inplace: true), Conv2d(inner, output, 3, stride: stride, padding: padding), ReLU(inplace: true));
    }
}
