using FilterPruning.Detection.Ops;
using TorchSharp.Modules;
using static TorchSharp.torch.nn;

namespace FilterPruning.Zoo;

/// <summary>RetinaNet (Lin et al., 2017) with group norms in its heads, which all levels share.</summary>
public static class RetinaNetZoo
{
    /// <summary>Five levels of 32 channels, two head convolutions with eight groups, three anchors per cell, four classes.</summary>
    public static ZooModel RetinaNet { get; } = new("retinanet_gn", () => new Detector(), model => ((Detector)model).call(DetectorMath.Images(1, 128)))
    {
        Loss = model => ((Detector)model).Loss(DetectorMath.Images(2, 128)),
        CountsVary = true,
    };

    private sealed class Head : Module<Tensor, Tensor>
    {
        private readonly Sequential conv;
        private readonly Conv2d last;

        public Head(long channels, long outputs, double bias)
            : base(nameof(Head))
        {
            conv = Sequential(
                Conv2d(channels, channels, 3, padding: 1, bias: false), DetectorMath.GroupNorm(8, channels), ReLU(inplace: true),
                Conv2d(channels, channels, 3, padding: 1, bias: false), DetectorMath.GroupNorm(8, channels), ReLU(inplace: true));
            last = Conv2d(channels, outputs, 3, padding: 1);
            init.constant_(last.bias!, bias);
            RegisterComponents();
        }

        public override Tensor forward(Tensor level) => last.call(conv.call(level));
    }

    private sealed class Detector : Module<Tensor, IReadOnlyList<Dictionary<string, Tensor>>>
    {
        private const int Classes = 4;
        private const int TopPerLevel = 30;
        private static readonly double[] Ratios = [0.5, 1, 2];
        private static readonly BoxCoder Coder = new(1, 1, 1, 1);

        private readonly PyramidBackbone backbone;
        private readonly ModuleDict<Head> heads;

        public Detector()
            : base("RetinaNet")
        {
            backbone = new PyramidBackbone(8, [1, 1, 1, 1], 32, firstStage: 1, convolved: true);
            heads = ModuleDict(("classification", new Head(32, Ratios.Length * Classes, -Math.Log((1 - 0.01) / 0.01))), ("regression", new Head(32, Ratios.Length * 4, 0)));
            RegisterComponents();
        }

        public override IReadOnlyList<Dictionary<string, Tensor>> forward(Tensor images)
        {
            using var scope = NewDisposeScope();
            var levels = backbone.call(images);
            var logits = levels.Select(level => DetectorMath.PerAnchor(heads["classification"].call(level), Classes)).ToList();
            var deltas = levels.Select(level => DetectorMath.PerAnchor(heads["regression"].call(level), 4)).ToList();
            var size = images.shape[2];
            var anchors = levels.Select((level, i) => DetectorMath.Anchors(level, size, [16 << i], Ratios)).ToList();
            return Enumerable.Range(0, (int)images.shape[0]).Select(image =>
            {
                var (boxes, scores, labels) = (new List<Tensor>(), new List<Tensor>(), new List<Tensor>());
                for (var level = 0; level < levels.Length; level++)
                {
                    var (best, box, label) = DetectorMath.Best(logits[level][image].sigmoid(), TopPerLevel);
                    var decoded = Coder.DecodeSingle(deltas[level][image].index_select(0, box), anchors[level].index_select(0, box));
                    boxes.Add(BoxOps.ClipToImage(decoded, ((int)size, (int)size)));
                    scores.Add(best);
                    labels.Add(label);
                }
                return Kept(cat(boxes), cat(scores), cat(labels));
            }).ToList();
        }

        /// <summary>Something to train on.</summary>
        public Tensor Loss(Tensor images)
        {
            using var scope = NewDisposeScope();
            var levels = backbone.call(images);
            return DetectorMath.SumOfSquares(levels.SelectMany(level => heads.values().Select(head => head.call(level)))).MoveToOuterDisposeScope();
        }

        private static Dictionary<string, Tensor> Kept(Tensor boxes, Tensor scores, Tensor labels)
        {
            var kept = BoxOps.BatchedNms(boxes, scores, labels, 0.5);
            return new Dictionary<string, Tensor>
            {
                ["boxes"] = boxes.index_select(0, kept).MoveToOuterDisposeScope(),
                ["scores"] = scores.index_select(0, kept).MoveToOuterDisposeScope(),
                ["labels"] = labels.index_select(0, kept).MoveToOuterDisposeScope(),
            };
        }
    }
}
