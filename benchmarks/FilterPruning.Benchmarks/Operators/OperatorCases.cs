using FilterPruning.Detection.Models;
using FilterPruning.Detection.Ops;

namespace FilterPruning.Benchmarks.Operators;

/// <summary>One operator at one size: as the library does it, and composed of torch operations.</summary>
/// <param name="Operator">The operator's name in figures.</param>
/// <param name="Size">What it works on.</param>
/// <param name="Ours">Runs the library's.</param>
/// <param name="Composed">Runs the composed one.</param>
internal sealed record OperatorCase(string Operator, string Size, Action Ours, Action Composed);

/// <summary>Inputs of the sizes that Mask R-CNN meets, from seeds. A case's tensors belong to the dispose scope it is made in.</summary>
internal static class OperatorCases
{
    private const int Channels = 256;

    /// <summary>All cases by name, each made when it is asked for.</summary>
    public static IReadOnlyDictionary<string, Func<OperatorCase>> All { get; } = new Dictionary<string, Func<OperatorCase>>
    {
        ["roi_align 7x7, 1000 boxes, 320 px"] = () => RoIAlign(320, 416, 1000, 7, false),
        ["roi_align 7x7, 1000 boxes, 800 px"] = () => RoIAlign(800, 1088, 1000, 7, false),
        ["roi_align 14x14, 100 boxes, 800 px"] = () => RoIAlign(800, 1088, 100, 14, false),
        ["roi_align 7x7, 1000 boxes, 320 px, channels last"] = () => RoIAlign(320, 416, 1000, 7, true),
        ["roi_align 7x7, 1000 boxes, 800 px, channels last"] = () => RoIAlign(800, 1088, 1000, 7, true),
        ["roi_align 14x14, 100 boxes, 800 px, channels last"] = () => RoIAlign(800, 1088, 100, 14, true),
        ["nms 4800 boxes, 5 levels"] = () => Nms(4800, 5, 0.7),
        ["nms 1000 boxes, 80 classes"] = () => Nms(1000, 80, 0.5),
        ["paste 100 masks, 320x426"] = () => Paste(320, 426),
        ["paste 100 masks, 800x1066"] = () => Paste(800, 1066),
        ["resize 480x640 to 320 px"] = () => Resize(480, 640, 320, 1),
        ["resize 480x640 to 800 px"] = () => Resize(480, 640, 800, 1),
        ["resize 480x640 to 800 px, batch of 4"] = () => Resize(480, 640, 800, 4),
        ["decode 4800 boxes"] = () => Decode(4800, 1),
        ["decode 1000 boxes, 91 classes"] = () => Decode(1000, 91),
        ["proposals 4800 anchors"] = () => Propose(4800),
    };

    private static OperatorCase RoIAlign(int height, int width, int count, int size, bool channelsLast)
    {
        var features = Enumerable.Range(2, 4)
            .Select(level => Normal(level, 1, Channels, (height + (1 << level) - 1) >> level, (width + (1 << level) - 1) >> level)).ToArray();
        if (channelsLast)
            features = [.. features.Select(feature => feature.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2))];
        var boxes = Boxes(count, count, width, height);
        (int, int)[] sizes = [(height, width)];
        var pool = new MultiScaleRoIAlign(["0", "1", "2", "3"], size, 2);
        var values = boxes.data<float>().ToArray();
        var rois = new float[count * 5];
        for (var i = 0; i < count; i++)
            values.AsSpan(i * 4, 4).CopyTo(rois.AsSpan(i * 5 + 1));
        var scales = MultiScaleRoIAlign.Scales(features, sizes);
        var levels = new LevelMapper(2, 5).Map(rois, 5);
        return new OperatorCase(
            channelsLast ? "roi_align.channels_last" : "roi_align", $"{size}x{size}, {count} boxes, {height} px",
            () => pool.Pool(features, [boxes], sizes),
            () => MultiScaleRoIAlign.PoolComposed(features, rois, levels, scales, new RoISampling(size, size, 2, false)));
    }

    private static OperatorCase Nms(int count, int groups, double threshold)
    {
        var boxes = Clusters(count, count, 1088, 800);
        var scores = rand(count, generator: Seeded(1));
        var group = randint(groups, count, dtype: ScalarType.Int64, generator: Seeded(2));
        return new OperatorCase("nms", $"{count} boxes, {groups} groups", () => BoxOps.BatchedNms(boxes, scores, group, threshold), () => ComposedNms(boxes, scores, group, threshold));
    }

    // All overlaps by torch operations, then one look at each survivor's row.
    private static Tensor ComposedNms(Tensor boxes, Tensor scores, Tensor group, double threshold)
    {
        var shifted = boxes + (group.to(ScalarType.Float32) * (boxes.max() + 1)).unsqueeze(1);
        var order = scores.argsort(descending: true);
        var sorted = shifted.index_select(0, order);
        ReadOnlySpan<byte> over = BoxOps.Iou(sorted, sorted).gt(threshold).bytes;
        var count = (int)boxes.shape[0];
        var gone = new bool[count];
        var kept = new List<long>();
        for (var i = 0; i < count; i++)
        {
            if (gone[i])
                continue;
            kept.Add(i);
            var row = over.Slice(i * count, count);
            for (var j = i + 1; j < count; j++)
                gone[j] |= row[j] != 0;
        }

        return order.index_select(0, tensor(kept));
    }

    private static OperatorCase Paste(int height, int width)
    {
        var masks = rand([100, 1, 28, 28], generator: Seeded(3));
        var boxes = Boxes(7, 100, width, height);
        return new OperatorCase(
            "paste", $"100 masks, {height}x{width}",
            () => MaskOps.PasteMasksInImage(masks, boxes, (height, width)), () => MaskOps.PasteComposed(masks, boxes, (height, width), 1));
    }

    private static OperatorCase Resize(int height, int width, int shorter, int count)
    {
        var images = Enumerable.Range(0, count).Select(i => rand([3, height, width], generator: Seeded((ulong)i))).ToArray();
        var sizes = Enumerable.Repeat(shorter, count).ToArray();
        var transform = new GeneralizedRcnnTransform(new MaskRcnnOptions { MinSize = shorter });
        return new OperatorCase("resize", $"{count} of {height}x{width} to {shorter} px", () => transform.Apply(images, sizes), () => transform.ApplyComposed(images, sizes));
    }

    private static OperatorCase Decode(int count, int classes)
    {
        var (boxes, codes) = (Boxes(1, count, 1088, 800), Normal(5, count, 4 * classes) * 0.3);
        var coder = new BoxCoder(10, 10, 5, 5);
        return new OperatorCase("decode", $"{count} boxes, {classes} classes", () => coder.DecodeSingle(codes, boxes), () => coder.DecodeComposed(codes, boxes));
    }

    // Decode, clip, drop the small ones, suppress, take the best; the composed form has the library's own suppression, for torch has none.
    private static OperatorCase Propose(int count)
    {
        var (anchors, deltas, index) = (Clusters(4, 3 * count, 1088, 800), Normal(5, 3 * count, 4) * 0.1, randperm(3 * count, ScalarType.Int64, generator: Seeded(6)).narrow(0, 0, count));
        var (scores, levels) = (rand(count, generator: Seeded(7)), randint(5, count, dtype: ScalarType.Int64, generator: Seeded(8)));
        var coder = new BoxCoder(1, 1, 1, 1);
        var settings = new FilterSettings((800, 1088), 1e-3, 0, 0.7, 1000);
        return new OperatorCase("proposals", $"{count} anchors", () => ProposalFilter.Propose(coder, deltas, anchors, index, scores, levels, settings), Composed);

        void Composed()
        {
            var boxes = BoxOps.ClipToImage(coder.DecodeComposed(deltas.index_select(0, index), anchors.index_select(0, index)), settings.Size);
            var keep = BoxOps.RemoveSmall(boxes, settings.SmallestSide);
            var (large, certain, groups) = (boxes.index_select(0, keep), scores.index_select(0, keep), levels.index_select(0, keep));
            var kept = BoxOps.BatchedNms(large, certain, groups, settings.NmsThreshold);
            large.index_select(0, kept.narrow(0, 0, Math.Min(settings.Most, kept.shape[0])));
        }
    }

    // Sides log-uniform from 12 pixels to the image's.
    private static Tensor Boxes(int seed, int count, int width, int height)
    {
        var random = new Random(seed);
        var values = new float[count * 4];
        for (var i = 0; i < count; i++)
        {
            var side = 12 * Math.Pow(Math.Min(width, height) / 12.0, random.NextDouble());
            var ratio = Math.Pow(2, random.NextDouble() * 2 - 1);
            var (w, h) = (Math.Min(side * Math.Sqrt(ratio), width - 1), Math.Min(side / Math.Sqrt(ratio), height - 1));
            var (x, y) = (random.NextDouble() * (width - w), random.NextDouble() * (height - h));
            (values[i * 4], values[i * 4 + 1], values[i * 4 + 2], values[i * 4 + 3]) = ((float)x, (float)y, (float)(x + w), (float)(y + h));
        }

        return tensor(values).view(-1, 4);
    }

    // Around sixty places, as a detector's boxes are.
    private static Tensor Clusters(int seed, int count, int width, int height)
    {
        var random = new Random(seed);
        var centres = Boxes(seed, 60, width, height).data<float>().ToArray();
        var values = new float[count * 4];
        for (var i = 0; i < count; i++)
        {
            var centre = centres.AsSpan(random.Next(60) * 4, 4);
            var box = values.AsSpan(i * 4, 4);
            for (var c = 0; c < 4; c++)
            {
                var jitter = (float)(random.NextDouble() - 0.5) * (centre[2 + (c & 1)] - centre[c & 1]) * 0.6f;
                box[c] = Math.Clamp(centre[c] + jitter, 0, (c & 1) == 0 ? width : height);
            }

            (box[0], box[1], box[2], box[3]) = (Math.Min(box[0], box[2]), Math.Min(box[1], box[3]), Math.Max(box[0], box[2]), Math.Max(box[1], box[3]));
        }

        return tensor(values).view(-1, 4);
    }

    private static Tensor Normal(ulong seed, params long[] shape) => randn(shape, dtype: ScalarType.Float32, generator: Seeded(seed));

    private static Tensor Normal(int seed, params long[] shape) => Normal((ulong)seed, shape);

    private static torch.Generator Seeded(ulong seed) => new(seed);
}
