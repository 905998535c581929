using FilterPruning.Detection.Ops;
using TorchSharp.Modules;
using static TorchSharp.torch.nn;
using F = TorchSharp.torch.nn.functional;

namespace FilterPruning.Zoo;

/// <summary>Two-stage detectors on a feature pyramid: Faster R-CNN (Ren et al., 2015) and its extension by keypoints (He et al., 2017), after torchvision's <c>models/detection</c>.</summary>
public static class RcnnZoo
{
    /// <summary>Four stages of 8 to 64 channels, five levels of 24, two fully connected layers of 40, four classes with the background.</summary>
    public static ZooModel FasterRcnn { get; } = new("faster_rcnn", () => new Detector(0), model => ((Detector)model).call(DetectorMath.Images(1, 96)))
    {
        Loss = model => ((Detector)model).Loss(DetectorMath.Images(2, 96)),
        CountsVary = true,
    };

    /// <summary>The same with five keypoints for each box: three convolutions, a transposed one, heat maps enlarged twofold.</summary>
    public static ZooModel KeypointRcnn { get; } = new("keypoint_rcnn", () => new Detector(5), model => ((Detector)model).call(DetectorMath.Images(1, 96)))
    {
        Loss = model => ((Detector)model).Loss(DetectorMath.Images(2, 96)),
        CountsVary = true,
    };

    private sealed record Found(Tensor Boxes, Tensor Labels, Tensor Scores, Tensor? Keypoints, Tensor? KeypointScores);

    private sealed class RpnHead : Module<Tensor, (Tensor Objectness, Tensor Deltas)>
    {
        private readonly Sequential conv;
        private readonly Conv2d cls_logits;
        private readonly Conv2d bbox_pred;

        public RpnHead(long channels, long anchors)
            : base(nameof(RpnHead))
        {
            conv = Sequential(Conv2d(channels, channels, 3, padding: 1), ReLU(inplace: true));
            cls_logits = Conv2d(channels, anchors, 1);
            bbox_pred = Conv2d(channels, 4 * anchors, 1);
            RegisterComponents();
        }

        public override (Tensor Objectness, Tensor Deltas) forward(Tensor level)
        {
            var x = conv.call(level);
            return (cls_logits.call(x), bbox_pred.call(x));
        }
    }

    private sealed class BoxHead : Module<Tensor, (Tensor Logits, Tensor Deltas)>
    {
        private readonly Linear fc6;
        private readonly Linear fc7;
        private readonly Linear cls_score;
        private readonly Linear bbox_pred;

        public BoxHead(long input, long width, long classes)
            : base(nameof(BoxHead))
        {
            fc6 = Linear(input, width);
            fc7 = Linear(width, width);
            cls_score = Linear(width, classes);
            bbox_pred = Linear(width, 4 * classes);
            RegisterComponents();
        }

        public override (Tensor Logits, Tensor Deltas) forward(Tensor pooled)
        {
            var x = F.relu(fc7.call(F.relu(fc6.call(pooled.flatten(1)))));
            return (cls_score.call(x), bbox_pred.call(x));
        }
    }

    private sealed class KeypointHead : Module<Tensor, Tensor>
    {
        private readonly Sequential convs;
        private readonly ConvTranspose2d kps_score_lowres;

        public KeypointHead(long channels, long width, long keypoints)
            : base(nameof(KeypointHead))
        {
            convs = Sequential(Enumerable.Range(0, 3).SelectMany(i => new Module<Tensor, Tensor>[] { Conv2d(i == 0 ? channels : width, width, 3, padding: 1), ReLU(inplace: true) }).ToArray());
            kps_score_lowres = ConvTranspose2d(width, keypoints, 4, stride: 2, padding: 1);
            RegisterComponents();
        }

        public override Tensor forward(Tensor pooled) =>
            F.interpolate(kps_score_lowres.call(convs.call(pooled)), scale_factor: [2, 2], mode: InterpolationMode.Bilinear, align_corners: false, recompute_scale_factor: false);
    }

    private sealed class Detector : Module<Tensor, IReadOnlyList<Found>>
    {
        private const int Channels = 24;
        private const int Classes = 4;
        private static readonly string[] Levels = ["0", "1", "2", "3"];
        private static readonly double[] Ratios = [0.5, 1, 2];
        private static readonly BoxCoder RpnCoder = new(1, 1, 1, 1);
        private static readonly BoxCoder BoxCoder = new(10, 10, 5, 5);
        private static readonly MultiScaleRoIAlign BoxPool = new(Levels, 5, 2) { CanonicalScale = 32, CanonicalLevel = 3 };
        private static readonly MultiScaleRoIAlign KeypointPool = new(Levels, 6, 2) { CanonicalScale = 32, CanonicalLevel = 3 };

        private readonly PyramidBackbone backbone;
        private readonly RpnHead rpn;
        private readonly BoxHead box;
        private readonly KeypointHead? keypoint;

        public Detector(long keypoints)
            : base(keypoints > 0 ? "KeypointRcnn" : "FasterRcnn")
        {
            backbone = new PyramidBackbone(8, [2, 2, 2, 2], Channels, firstStage: 0, convolved: false);
            rpn = new RpnHead(Channels, Ratios.Length);
            box = new BoxHead(Channels * 25, 40, Classes);
            if (keypoints > 0) keypoint = new KeypointHead(Channels, 20, keypoints);
            RegisterComponents();
        }

        public override IReadOnlyList<Found> forward(Tensor images)
        {
            using var scope = NewDisposeScope();
            var sizes = Sizes(images);
            var levels = backbone.call(images);
            var proposals = Propose(levels.Select(rpn.call).ToList(), levels, sizes);
            var (logits, deltas) = box.call(BoxPool.Pool(levels[..4], proposals, sizes));
            var scores = logits.softmax(-1).split(proposals.Select(p => p.shape[0]).ToArray());
            var boxes = BoxCoder.Decode(deltas, proposals).split(proposals.Select(p => p.shape[0]).ToArray());
            var found = Enumerable.Range(0, sizes.Length).Select(image => Detect(boxes[image], scores[image], sizes[image])).ToList();
            if (keypoint is not null)
            {
                var maps = keypoint.call(KeypointPool.Pool(levels[..4], found.Select(f => f.Boxes).ToList(), sizes)).split(found.Select(f => f.Boxes.shape[0]).ToArray());
                found = found.Select((f, image) => WithKeypoints(f, maps[image])).ToList();
            }
            return found.Select(f => new Found(Out(f.Boxes), Out(f.Labels), Out(f.Scores), f.Keypoints is { } k ? Out(k) : null, f.KeypointScores is { } s ? Out(s) : null)).ToList();

            static Tensor Out(Tensor t) => t.MoveToOuterDisposeScope();
        }

        /// <summary>Something to train on.</summary>
        public Tensor Loss(Tensor images)
        {
            using var scope = NewDisposeScope();
            var sizes = Sizes(images);
            var levels = backbone.call(images);
            var first = levels.Select(rpn.call).ToList();
            var proposals = Propose(first, levels, sizes);
            var (logits, deltas) = box.call(BoxPool.Pool(levels[..4], proposals, sizes));
            var outputs = first.SelectMany(level => new[] { level.Objectness, level.Deltas }).Append(logits).Append(deltas).ToList();
            if (keypoint is not null) outputs.Add(keypoint.call(KeypointPool.Pool(levels[..4], proposals, sizes)));
            return DetectorMath.SumOfSquares(outputs).MoveToOuterDisposeScope();
        }

        private static (int Height, int Width)[] Sizes(Tensor images) => Enumerable.Repeat(((int)images.shape[2], (int)images.shape[3]), (int)images.shape[0]).ToArray();

        // The best 40 anchors of each level, overlaps removed, 25 an image. Boxes are inputs of the second stage, no gradient passes them.
        private static List<Tensor> Propose(List<(Tensor Objectness, Tensor Deltas)> predictions, Tensor[] levels, (int Height, int Width)[] sizes)
        {
            using var guard = no_grad();
            return sizes.Select((size, image) =>
            {
                var (boxes, scores, origins) = (new List<Tensor>(), new List<Tensor>(), new List<Tensor>());
                for (var level = 0; level < levels.Length; level++)
                {
                    var objectness = DetectorMath.PerAnchor(predictions[level].Objectness, 1)[image];
                    var (best, anchor, _) = DetectorMath.Best(objectness, 40);
                    var anchors = DetectorMath.Anchors(levels[level], size.Height, [8 << level], Ratios);
                    boxes.Add(BoxOps.ClipToImage(RpnCoder.DecodeSingle(DetectorMath.PerAnchor(predictions[level].Deltas, 4)[image][anchor], anchors[anchor]), size));
                    scores.Add(best.sigmoid());
                    origins.Add(full_like(anchor, level));
                }
                var (all, allScores, allOrigins) = (cat(boxes), cat(scores), cat(origins));
                var large = BoxOps.RemoveSmall(all, 1e-3);
                (all, allScores, allOrigins) = (all[large], allScores[large], allOrigins[large]);
                var kept = BoxOps.BatchedNms(all, allScores, allOrigins, 0.7);
                return all[kept[TensorIndex.Slice(0, 25)]];
            }).ToList();
        }

        private static Found Detect(Tensor boxes, Tensor scores, (int Height, int Width) size)
        {
            // The background, class 0, is no answer. Low thresholds: random weights must find something too.
            var (best, proposal, label) = DetectorMath.Best(scores[TensorIndex.Colon, TensorIndex.Slice(1)], 30);
            var chosen = BoxOps.ClipToImage(boxes[proposal, label + 1], size);
            var kept = BoxOps.BatchedNms(chosen, best, label, 0.5)[TensorIndex.Slice(0, 8)];
            return new Found(chosen[kept], label[kept] + 1, best[kept], null, null);
        }

        // The highest point of each heat map, in pixels of the image.
        private static Found WithKeypoints(Found found, Tensor maps)
        {
            var (count, keypoints, height, width) = (maps.shape[0], maps.shape[1], maps.shape[2], maps.shape[3]);
            if (count == 0) return found with { Keypoints = zeros(0, keypoints, 2), KeypointScores = zeros(0, keypoints) };
            var (highest, where) = maps.reshape(count, keypoints, -1).max(-1);
            var places = stack([where.remainder(width).to(float32).add(0.5).div(width), where.div(width, RoundingMode.floor).to(float32).add(0.5).div(height)], -1); // 0 … 1
            var corner = found.Boxes[TensorIndex.Colon, TensorIndex.Slice(0, 2)].unsqueeze(1);
            var side = found.Boxes[TensorIndex.Colon, TensorIndex.Slice(2, 4)].unsqueeze(1) - corner;
            return found with { Keypoints = corner + places * side, KeypointScores = highest };
        }
    }
}
