using FilterPruning.Detection.Models;

namespace FilterPruning.Detection.Onnx;

/// <summary>From the pyramid to proposals: <see cref="RpnHead"/>, <see cref="AnchorGenerator"/> at the best anchors alone, and <see cref="RegionProposalNetwork.Propose"/>.</summary>
internal sealed class ProposalWriter(GraphBuilder graph, LayerWriter layers, MaskRcnnOptions options)
{
    private static readonly double[] Weights = [1, 1, 1, 1];

    /// <summary>Proposals, best first, float32 <c>[n, 4]</c>, at the resized image's scale.</summary>
    public Value Propose(Value[] levels, ImageSizes sizes, ModuleAt rpn)
    {
        rpn.As<RegionProposalNetwork>();
        var head = rpn.Child("head");
        head.As<RpnHead>();
        var candidates = levels.Select((level, i) => BestOf(level, i, sizes, head)).ToArray();
        graph.Enter($"{rpn.Path}/proposals");
        var scores = graph.Concat(0, [.. candidates.Select(one => one.Logits)]).Apply("Sigmoid");
        var codes = graph.Concat(0, [.. candidates.Select(one => one.Codes)]);
        var anchors = graph.Concat(0, [.. candidates.Select(one => one.Anchors)]);
        var groups = graph.Concat(0, [.. candidates.Select(one => one.Level)]);
        var boxes = BoxWriter.Decode(codes, anchors, Weights, ImageSizes.Corners(sizes.Resized));
        var allowed = BoxWriter.IsLarge(boxes, RegionProposalNetwork.SmallestSide);
        if ((float)options.RpnScoreThresh > 0)
            allowed &= scores.AtLeast((float)options.RpnScoreThresh);
        var kept = BoxWriter.Suppress(
            boxes, scores, groups, [.. Enumerable.Range(0, levels.Length).Select(level => (long)level)], allowed, options.RpnNmsThresh, options.RpnPostNmsTopNTest);
        return boxes.Gather(kept);
    }

    private Candidates BestOf(Value level, int number, ImageSizes sizes, ModuleAt head)
    {
        var hidden = layers.Chain(level, head.Child("conv"));
        var logits = layers.Chain(hidden, head.Child("cls_logits")); // [1, A, h, w]
        var codes = layers.Chain(hidden, head.Child("bbox_pred")); // [1, 4A, h, w]

        graph.Enter($"{head.Path}/level{number}");
        var perPlace = (long)options.AnchorsPerLocation;
        var flat = logits.Transpose(0, 2, 3, 1).Reshape(-1); // [h · w · A], the order of the anchors
        var (best, index) = flat.TopK(flat.Length().Min(graph.Vector(options.RpnPreNmsTopNTest)));
        var (kind, place) = (index % perPlace, index / perPlace);
        var (height, width) = (level.Length(2), level.Length(3));
        var (column, row) = (place % width, place / width);

        // Code c of anchor kind a lies in channel 4a + c.
        var channel = (kind * 4L).Unsqueeze(1) + graph.Vector(0, 1, 2, 3); // [k, 4]
        var ofBest = codes.Reshape(-1).Gather(channel * (height * width) + place.Unsqueeze(1));

        var stride = sizes.Padded / graph.Concat(0, height, width); // rows, columns; whole pixels
        var x = column.ToFloat() * stride.At(0, 1).ToFloat();
        var y = row.ToFloat() * stride.At(0, 0).ToFloat();
        var shift = graph.Concat(1, x.Unsqueeze(1), y.Unsqueeze(1), x.Unsqueeze(1), y.Unsqueeze(1)); // [k, 4]
        var cells = AnchorGenerator.CellAnchors(options.AnchorSizes[number], options.AspectRatios);
        var anchors = shift + graph.Floats(cells, perPlace, 4).Gather(kind);
        return new Candidates(best, ofBest, anchors, graph.Repeat(index.Length(), number));
    }

    /// <summary>The best anchors of a level: <c>[k]</c>, <c>[k, 4]</c>, <c>[k, 4]</c>, <c>[k]</c>.</summary>
    private readonly record struct Candidates(Value Logits, Value Codes, Value Anchors, Value Level);
}
