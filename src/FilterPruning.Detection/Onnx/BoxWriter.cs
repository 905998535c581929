using FilterPruning.Detection.Ops;

namespace FilterPruning.Detection.Onnx;

/// <summary>Decoding and suppression of boxes: <see cref="BoxDecodeKernel"/> and <see cref="BoxOps.RunBatched"/> as graphs.</summary>
internal static class BoxWriter
{
    // Up to this many boxes are shifted apart by group before they are suppressed, in float32 as torchvision does it.
    private const long MostShifted = 1000;

    /// <summary>Boxes from codes, clipped to an image.</summary>
    /// <param name="codes">dx, dy, dw, dh, float32 <c>[K, 4]</c>.</param>
    /// <param name="boxes">The boxes to start from, <c>[K, 4]</c>.</param>
    /// <param name="weights">The coder's four factors.</param>
    /// <param name="limits">Width, height, width, height, float32 <c>[4]</c>.</param>
    public static Value Decode(Value codes, Value boxes, IReadOnlyList<double> weights, Value limits)
    {
        var graph = codes.Graph;
        var first = boxes.Slice(1, 0, 2);
        var size = boxes.Slice(1, 2, 4) - first; // [K, 2]: w, h
        var centre = first + size * 0.5f;
        var scaled = codes / graph.Vector([.. weights.Select(weight => (float)weight)]);
        var moved = scaled.Slice(1, 0, 2) * size + centre;
        var clip = (float)new BoxCoder(1, 1, 1, 1).Clip;
        var half = scaled.Slice(1, 2, 4).Min(graph.Scalar(clip)).Apply("Exp") * size * 0.5f;
        var decoded = graph.Concat(1, moved - half, moved + half);
        return decoded.Max(graph.Scalar(0f)).Min(limits);
    }

    /// <summary>Which boxes have both sides at least this long, bool <c>[K]</c>.</summary>
    public static Value IsLarge(Value boxes, double side)
    {
        var large = (boxes.Slice(1, 2, 4) - boxes.Slice(1, 0, 2)).AtLeast((float)side); // [K, 2]
        return (large.At(1, 0) & large.At(1, 1)).Reshape(-1);
    }

    /// <summary>The survivors of all groups, best first; of equal scores the smaller index comes first.</summary>
    /// <param name="boxes">float32 <c>[K, 4]</c>, not negative.</param>
    /// <param name="scores">float32 <c>[K]</c>, 0 … 1.</param>
    /// <param name="groups">int64 <c>[K]</c>.</param>
    /// <param name="members">The groups there may be.</param>
    /// <param name="allowed">bool <c>[K]</c>: what takes part at all.</param>
    /// <param name="threshold">The largest IoU two survivors of a group may have.</param>
    /// <param name="most">How many are kept.</param>
    /// <returns>int64 indices, one axis.</returns>
    public static Value Suppress(Value boxes, Value scores, Value groups, long[] members, Value allowed, double threshold, int most)
    {
        var graph = boxes.Graph;
        var apart = boxes + Shift(boxes, groups, allowed).Unsqueeze(1);
        var inGroup = groups.Unsqueeze(0).EqualTo(graph.Vector(members).Unsqueeze(1)) & allowed.Unsqueeze(0); // [G, K]
        // Scores are 0 or more, so −1 is below every threshold that lets 0 pass.
        var byGroup = inGroup.Choose(scores.Unsqueeze(0), graph.Scalar(-1f)).Unsqueeze(0); // [1, G, K]
        var selected = graph.Node("NonMaxSuppression", [apart.Unsqueeze(0), byGroup, graph.Vector(most), graph.Vector(LargestNotAbove(threshold)), graph.Vector(-0.5f)]); // [S, 3]: batch, group, box
        var kept = selected.At(1, 2).Reshape(-1);
        var inOrder = kept.TopK(kept.Length(), largest: false).Values;
        var best = scores.Gather(inOrder).TopK(inOrder.Length().Min(graph.Vector(most))).Indices;
        return inOrder.Gather(best);
    }

    // [K]: how far each box moves, so that boxes of different groups do not meet. The shift rounds coordinates, which can decide a close call, so it is part of the answer.
    private static Value Shift(Value boxes, Value groups, Value allowed)
    {
        var graph = boxes.Graph;
        var taking = allowed.Unsqueeze(1).Choose(boxes, graph.Scalar(0f)).Reshape(-1);
        // Boxes may be none, and nothing has no largest element.
        var largest = graph.Node("ReduceMax", [graph.Concat(0, taking, graph.Vector(0f))], ("keepdims", 0L));
        var count = graph.Node("ReduceSum", [graph.Concat(0, allowed.ToInt(), graph.Vector(0L))], ("keepdims", 0L));
        var few = graph.Node("LessOrEqual", [count, graph.Scalar(MostShifted)]);
        return few.Choose(groups.ToFloat() * (largest + 1f), graph.Scalar(0f));
    }

    // The runtime compares float32 numbers: for those, "above the threshold" and "above this" are the same.
    private static float LargestNotAbove(double threshold)
    {
        var rounded = (float)threshold;
        return rounded > threshold ? MathF.BitDecrement(rounded) : rounded;
    }
}
