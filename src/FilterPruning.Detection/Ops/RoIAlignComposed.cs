namespace FilterPruning.Detection.Ops;

/// <summary>RoIAlign composed of torch operations: any device and floating dtype, differentiable by autograd. The kernel's second path.</summary>
/// <remarks>
/// Samples are gathered one corner at a time and averaged, without use of separability; RoIs are taken in chunks that bound the memory of the
/// samples. Half precision is computed in float32.
/// </remarks>
internal static class RoIAlignComposed
{
    // Elements of one gathered corner of a chunk.
    private const long ChunkElements = 1L << 23;

    public static Tensor Apply(Tensor input, Tensor rois, RoISampling sampling, double spatialScale)
    {
        using var scope = NewDisposeScope();
        var dtype = input.dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;
        var (channels, count) = (input.shape[1], rois.shape[0]);
        if (count == 0) // an empty piece of the input, so that the result belongs to its graph
            return input.flatten().narrow(0, 0, 0).reshape(0, channels, sampling.OutputHeight, sampling.OutputWidth).MoveToOuterDisposeScope();

        var boxes = rois.detach().to(dtype).to(input.device);
        var cells = input.to(dtype).permute(0, 2, 3, 1).reshape(-1, channels); // [N · H · W, C]
        var perRoi = Math.Max(1, MostSamples(boxes, sampling, spatialScale) * sampling.Bins * channels);
        var chunk = Math.Clamp(ChunkElements / perRoi, 1, count);
        var parts = new List<Tensor>();
        for (long first = 0; first < count; first += chunk)
            parts.Add(Pool(cells, boxes.narrow(0, first, Math.Min(chunk, count - first)), input.shape[2], input.shape[3], sampling, spatialScale));
        return cat(parts, 0).to(input.dtype).MoveToOuterDisposeScope();
    }

    private static Tensor Pool(Tensor cells, Tensor boxes, long height, long width, RoISampling sampling, double scale)
    {
        using var scope = NewDisposeScope();
        var image = boxes.select(1, 0).to(ScalarType.Int64);
        var x = Axis.Of(boxes.select(1, 1), boxes.select(1, 3), width, sampling.OutputWidth, sampling, scale);
        var y = Axis.Of(boxes.select(1, 2), boxes.select(1, 4), height, sampling.OutputHeight, sampling, scale);

        // [k, oh, ow, samples y, samples x] from rows [k, oh, sy] and columns [k, ow, sx]
        static Tensor Rows(Tensor t) => t.unsqueeze(2).unsqueeze(4);
        static Tensor Columns(Tensor t) => t.unsqueeze(1).unsqueeze(3);
        var firstRow = (image * height).view(-1, 1, 1, 1, 1);
        var sum = zeros([1], cells.dtype, cells.device);
        foreach (var (row, rowWeight) in y.Corners)
        {
            foreach (var (column, columnWeight) in x.Corners)
            {
                var where = (firstRow + Rows(row)) * width + Columns(column);
                var weight = Rows(rowWeight) * Columns(columnWeight);
                var values = cells.index_select(0, where.flatten()).view([.. where.shape, cells.shape[1]]); // [k, oh, ow, sy, sx, C]
                sum = sum + (values * weight.unsqueeze(-1)).sum([3, 4]); // [k, oh, ow, C]
            }
        }

        var samples = (x.Samples * y.Samples).clamp_min(1).view(-1, 1, 1, 1);
        return (sum / samples).permute(0, 3, 1, 2).contiguous().MoveToOuterDisposeScope(); // [k, C, oh, ow]
    }

    private static long MostSamples(Tensor boxes, RoISampling sampling, double scale)
    {
        if (sampling.SamplingRatio > 0)
            return (long)sampling.SamplingRatio * sampling.SamplingRatio;
        using var scope = NewDisposeScope();
        var size = (boxes.narrow(1, 3, 2) - boxes.narrow(1, 1, 2)) * scale;
        var largest = TensorMemory.ToArray<double>(size.nan_to_num(0, 0, 0).amax([0]).clamp_min(1), ScalarType.Float64);
        return (long)(Math.Ceiling(largest[0] / sampling.OutputWidth) * Math.Ceiling(largest[1] / sampling.OutputHeight));
    }

    /// <summary>The samples of every RoI along one axis: the two cells they lie between and their weights, zero outside of the map.</summary>
    private readonly record struct Axis(Tensor Samples, (Tensor Cell, Tensor Weight)[] Corners)
    {
        public static Axis Of(Tensor from, Tensor to, long cells, int bins, RoISampling sampling, double scale)
        {
            var offset = sampling.Aligned ? 0.5 : 0;
            var start = from * scale - offset;
            var size = to * scale - offset - start;
            if (!sampling.Aligned)
                size = size.clamp_min(1);
            var finite = start.isfinite().logical_and(size.isfinite());
            (start, size) = (where(finite, start, 0), where(finite, size, 0));
            var bin = size / bins;
            var samples = (sampling.SamplingRatio > 0 ? full_like(bin, sampling.SamplingRatio) : bin.ceil().clamp_min(0)) * finite;

            var most = (long)samples.max().to(ScalarType.Float64).item<double>();
            var p = arange(bins, dtype: bin.dtype, device: bin.device).view(1, -1, 1);
            var i = arange(most, dtype: bin.dtype, device: bin.device).view(1, 1, -1);
            var (start3, bin3, samples3) = (start.view(-1, 1, 1), bin.view(-1, 1, 1), samples.view(-1, 1, 1));
            var position = start3 + p * bin3 + (i + 0.5) * bin3 / samples3; // [k, bins, samples]
            var inside = position.ge(-1).logical_and(position.le(cells)).logical_and(i.lt(samples3));

            position = where(inside, position, 0).clamp_min(0);
            position = where(position.ge(cells - 1), cells - 1, position);
            var low = position.floor();
            var fraction = position - low;
            var lowCell = low.to(ScalarType.Int64);
            return new Axis(samples, [(lowCell, (1 - fraction) * inside), ((lowCell + 1).clamp_max(cells - 1), fraction * inside)]);
        }
    }
}
