using FilterPruning.Detection.Ops;

namespace FilterPruning.Detection.Onnx;

/// <summary><see cref="MultiScaleRoIAlign"/> as a graph: every box is pooled from the level that suits its size.</summary>
internal sealed class PoolWriter
{
    private readonly GraphBuilder _graph;
    private readonly Value[] _levels;
    private readonly Value _exponents;

    /// <param name="levels">The levels that are pooled from, finest first.</param>
    /// <param name="sizes">The image's sizes, from which the levels' scales follow as they do in <see cref="MultiScaleRoIAlign.Scales"/>.</param>
    public PoolWriter(Value[] levels, ImageSizes sizes)
    {
        _graph = levels[0].Graph;
        _levels = levels;
        _graph.Enter("roi_heads/scales");
        var heights = _graph.Concat(0, [.. levels.Select(level => level.Length(2))]);
        _exponents = Log2((heights.ToDouble() / sizes.Resized.At(0, 0).ToDouble()).ToFloat()).Apply("Round"); // [L], −2 for a level at 1/4
    }

    /// <summary>Pools.</summary>
    /// <param name="boxes">float32 <c>[n, 4]</c> at the resized image's scale.</param>
    /// <param name="pooler">Bins, samples and the rule for levels.</param>
    /// <returns>Level by level <c>[n, C, bins, bins]</c>, and for each box the row that is its own, int64 <c>[n]</c>: rows are put in order where they have become small.</returns>
    public (Value Pooled, Value Row) Pool(Value boxes, MultiScaleRoIAlign pooler)
    {
        var level = LevelOf(boxes, pooler);
        var parts = new Value[_levels.Length];
        var members = new Value[_levels.Length];
        for (var i = 0; i < _levels.Length; i++)
        {
            members[i] = level.EqualTo(_graph.Scalar((long)i)).WhereTrue();
            // A power of two: multiplying the boxes by it is exact, and the operator's own scale could not depend on the image.
            var scale = _graph.Node("Pow", [_graph.Scalar(2f), _exponents.At(0, i)]);
            parts[i] = _graph.Node(
                "RoiAlign", [_levels[i], boxes.Gather(members[i]) * scale, _graph.Repeat(members[i].Length(), 0)],
                ("coordinate_transformation_mode", "output_half_pixel"), ("mode", "avg"), ("spatial_scale", 1f),
                ("output_height", (long)pooler.OutputSize), ("output_width", (long)pooler.OutputSize), ("sampling_ratio", (long)pooler.SamplingRatio));
        }

        var order = _graph.Concat(0, members);
        return (_graph.Concat(0, parts), order.TopK(order.Length(), largest: false).Indices);
    }

    // int64 [n], counted from the finest; the arithmetic of LevelMapper in float32.
    private Value LevelOf(Value boxes, MultiScaleRoIAlign pooler)
    {
        var sides = boxes.Slice(1, 2, 4) - boxes.Slice(1, 0, 2);
        var area = (sides.At(1, 0) * sides.At(1, 1)).Reshape(-1);
        var size = Log2(area.Apply("Sqrt") / (float)pooler.CanonicalScale);
        var level = (_graph.Scalar((float)pooler.CanonicalLevel) + size + LevelMapper.Epsilon).Apply("Floor");
        var finest = _exponents.At(0, 0).Apply("Neg");
        var coarsest = _exponents.At(0, _levels.Length - 1).Apply("Neg");
        return (level.Max(finest).Min(coarsest) - finest).ToInt();
    }

    private static Value Log2(Value x) => x.Apply("Log") / MathF.Log(2);
}
