using FilterPruning.Detection.Ops;
using TorchSharp.Modules;
using static TorchSharp.torch.nn;
using F = TorchSharp.torch.nn.functional;

namespace FilterPruning.Zoo;

/// <summary>FCOS (Tian et al., 2019): no anchors, group norms in the heads, a learnt scale for each level, centre-ness.</summary>
public static class FcosZoo
{
    /// <summary>Five levels of 24 channels, two head convolutions with six groups, three classes.</summary>
    public static ZooModel Fcos { get; } = new("fcos", () => new Detector(), model => ((Detector)model).call(DetectorMath.Images(1, 128)))
    {
        Loss = model => ((Detector)model).Loss(DetectorMath.Images(2, 128)),
        CountsVary = true,
    };

    private sealed record Boxes(Tensor Corners, Tensor Scores, Tensor Labels);

    private sealed class Scale : Module<Tensor, Tensor>
    {
        private readonly Parameter scale = Parameter(ones(1));

        public Scale()
            : base(nameof(Scale)) => RegisterComponents();

        public override Tensor forward(Tensor x) => x * scale;
    }

    private sealed class Head : Module<Tensor[], (Tensor Logits, Tensor Distances, Tensor Centerness)[]>
    {
        private readonly Sequential cls_tower;
        private readonly Sequential bbox_tower;
        private readonly Conv2d cls_logits;
        private readonly Conv2d bbox_pred;
        private readonly Conv2d centerness;
        private readonly ModuleList<Scale> scales;

        public Head(long channels, long groups, long classes, int levels)
            : base(nameof(Head))
        {
            cls_tower = Tower(channels, groups);
            bbox_tower = Tower(channels, groups);
            cls_logits = Conv2d(channels, classes, 3, padding: 1);
            bbox_pred = Conv2d(channels, 4, 3, padding: 1);
            centerness = Conv2d(channels, 1, 3, padding: 1);
            scales = ModuleList(Enumerable.Range(0, levels).Select(_ => new Scale()).ToArray());
            RegisterComponents();
        }

        public override (Tensor Logits, Tensor Distances, Tensor Centerness)[] forward(Tensor[] levels) => levels.Select((level, i) =>
        {
            using var scope = NewDisposeScope();
            var boxes = bbox_tower.call(level);
            var distances = F.relu(scales[i].call(bbox_pred.call(boxes)));
            return (cls_logits.call(cls_tower.call(level)).MoveToOuterDisposeScope(), distances.MoveToOuterDisposeScope(), centerness.call(boxes).MoveToOuterDisposeScope());
        }).ToArray();

        private static Sequential Tower(long channels, long groups) => Sequential(Enumerable.Range(0, 2).SelectMany(
            _ => new Module<Tensor, Tensor>[] { Conv2d(channels, channels, 3, padding: 1), DetectorMath.GroupNorm(groups, channels), ReLU() }).ToArray());
    }

    private sealed class Detector : Module<Tensor, IReadOnlyList<Boxes>>
    {
        private readonly PyramidBackbone backbone;
        private readonly Head head;

        public Detector()
            : base("Fcos")
        {
            backbone = new PyramidBackbone(8, [1, 1, 1, 1], 24, firstStage: 1, convolved: true);
            head = new Head(24, 6, 3, 5);
            RegisterComponents();
        }

        public override IReadOnlyList<Boxes> forward(Tensor images)
        {
            using var scope = NewDisposeScope();
            var answers = head.call(backbone.call(images));
            return Enumerable.Range(0, (int)images.shape[0]).Select(image =>
            {
                var levels = answers.Select(level => Decode(level, image, images.shape[2])).ToList();
                var (corners, scores, labels) = (cat(levels.Select(l => l.Corners).ToList()), cat(levels.Select(l => l.Scores).ToList()), cat(levels.Select(l => l.Labels).ToList()));
                var kept = BoxOps.BatchedNms(corners, scores, labels, 0.6);
                return new Boxes(corners[kept].MoveToOuterDisposeScope(), scores[kept].MoveToOuterDisposeScope(), labels[kept].MoveToOuterDisposeScope());
            }).ToList();
        }

        /// <summary>Something to train on.</summary>
        public Tensor Loss(Tensor images)
        {
            using var scope = NewDisposeScope();
            return DetectorMath.SumOfSquares(head.call(backbone.call(images)).SelectMany(level => new[] { level.Logits, level.Distances, level.Centerness })).MoveToOuterDisposeScope();
        }

        private static Boxes Decode((Tensor Logits, Tensor Distances, Tensor Centerness) level, int image, long size)
        {
            var (rows, columns) = (level.Logits.shape[2], level.Logits.shape[3]);
            var stride = size / rows;
            var scores = (level.Logits[image].sigmoid() * level.Centerness[image].sigmoid()).sqrt().flatten(1).transpose(0, 1); // [rows · columns, classes]
            var distances = level.Distances[image].flatten(1).transpose(0, 1) * stride; // [rows · columns, 4]
            var grid = meshgrid([(arange(rows, dtype: float32) + 0.5) * stride, (arange(columns, dtype: float32) + 0.5) * stride], "ij");
            var centers = stack([grid[1].flatten(), grid[0].flatten()], 1);
            var corners = cat([centers - distances[TensorIndex.Colon, TensorIndex.Slice(0, 2)], centers + distances[TensorIndex.Colon, TensorIndex.Slice(2, 4)]], 1);
            var (best, box, label) = DetectorMath.Best(scores, 25);
            return new Boxes(corners[box].clamp(0, size), best, label);
        }
    }
}
