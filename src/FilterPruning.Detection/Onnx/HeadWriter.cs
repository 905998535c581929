using FilterPruning.Detection.Models;

namespace FilterPruning.Detection.Onnx;

/// <summary>From proposals to detections: <see cref="RoiHeads"/>.</summary>
internal sealed class HeadWriter(GraphBuilder graph, LayerWriter layers, MaskRcnnOptions options, int classes)
{
    /// <summary>Boxes and labels of the detections, their scores, and masks <c>[D, 28, 28]</c>, best first, at the resized image's scale.</summary>
    public (Value Boxes, Value Labels, Value Scores, Value Masks) Detect(Value[] levels, Value proposals, ImageSizes sizes, ModuleAt heads)
    {
        var module = heads.As<RoiHeads>();
        var pools = new PoolWriter(levels[..^1], sizes);
        graph.Enter($"{heads.Path}/box_pool");
        var (pooled, row) = pools.Pool(proposals, module.BoxPool);
        var (logits, codes) = Classify(pooled, row, heads);
        graph.Enter($"{heads.Path}/selection");
        var (boxes, labels, scores) = Select(logits, codes, proposals, sizes);

        graph.Enter($"{heads.Path}/mask_pool");
        var (crops, maskRow) = pools.Pool(boxes, module.MaskPool);
        var masks = Masks(crops, heads);
        graph.Enter($"{heads.Path}/masks");
        return (boxes, labels, scores, OfLabels(masks, maskRow, labels));
    }

    // Logits [n, classes] and codes [n · classes, 4], in the order of the boxes.
    private (Value Logits, Value Codes) Classify(Value pooled, Value row, ModuleAt heads)
    {
        var head = heads.Child("box_head");
        head.As<TwoMlpHead>();
        graph.Enter(head.Path);
        var x = graph.Node("Flatten", [pooled], ("axis", 1L));
        x = layers.Chain(x, head.Child("fc6")).Relu();
        x = layers.Chain(x, head.Child("fc7")).Relu();
        var predictor = heads.Child("box_predictor");
        predictor.As<FastRcnnPredictor>();
        var logits = layers.Chain(x, predictor.Child("cls_score"));
        var codes = layers.Chain(x, predictor.Child("bbox_pred"));
        return (logits.Gather(row), codes.Gather(row).Reshape(-1, 4));
    }

    private (Value Boxes, Value Labels, Value Scores) Select(Value logits, Value codes, Value proposals, ImageSizes sizes)
    {
        var probabilities = graph.Node("Softmax", [logits], ("axis", 1L));
        // Class 0 is the background.
        var candidates = probabilities.Slice(1, 1, classes).Above((float)options.BoxScoreThresh).Apply("NonZero"); // [2, M]: rows, classes
        var row = candidates.At(0, 0).Reshape(-1);
        var label = candidates.At(0, 1).Reshape(-1) + 1L;
        var element = row * (long)classes + label;
        var scores = probabilities.Reshape(-1).Gather(element);
        var boxes = BoxWriter.Decode(codes.Gather(element), proposals.Gather(row), options.BoxRegWeights, ImageSizes.Corners(sizes.Resized));
        var allowed = BoxWriter.IsLarge(boxes, RoiHeads.SmallestSide);
        long[] labels = [.. Enumerable.Range(1, classes - 1).Select(one => (long)one)];
        var kept = BoxWriter.Suppress(boxes, scores, label, labels, allowed, options.BoxNmsThresh, options.BoxDetectionsPerImage);
        return (boxes.Gather(kept), label.Gather(kept), scores.Gather(kept));
    }

    private Value Masks(Value crops, ModuleAt heads)
    {
        var x = layers.Chain(crops, heads.Child("mask_head"));
        var predictor = heads.Child("mask_predictor");
        predictor.As<MaskRcnnPredictor>();
        x = layers.Chain(x, predictor.Child("conv5_mask")).Relu();
        return layers.Chain(x, predictor.Child("mask_fcn_logits")); // [D, classes, 28, 28]
    }

    private Value OfLabels(Value logits, Value row, Value labels)
    {
        var side = 2L * RoiHeads.MaskPoolSize;
        return logits.Reshape(-1, side, side).Gather(row * (long)classes + labels).Apply("Sigmoid");
    }
}
