namespace FilterPruning.Detection.Ops;

/// <summary>
/// RoIAlign over a feature pyramid: every box is pooled from the level that suits its size. Mirrors
/// <c>torchvision.ops.MultiScaleRoIAlign</c> 0.14.1.
/// </summary>
/// <remarks>
/// Holds no tensors and no state, safe to share between threads. Unlike torchvision's it infers the scales of the levels on each call, not from the
/// first batch it ever sees.
/// </remarks>
public sealed class MultiScaleRoIAlign
{
    /// <summary>Creates a pooler.</summary>
    /// <param name="featmapNames">The names of the levels to pool from, finest first (<c>"0"</c> … <c>"3"</c>).</param>
    /// <param name="outputSize">Bins per row and column: 7 for boxes, 14 for masks.</param>
    /// <param name="samplingRatio">Samples per bin and axis; 0 or less chooses them for each box.</param>
    public MultiScaleRoIAlign(IReadOnlyList<string> featmapNames, int outputSize, int samplingRatio)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(outputSize, 1);
        if (featmapNames.Count == 0)
            throw new ArgumentException("There must be at least one feature map to pool from; given none.", nameof(featmapNames));
        (FeatmapNames, OutputSize, SamplingRatio) = ([.. featmapNames], outputSize, samplingRatio);
    }

    /// <summary>The names of the levels to pool from, finest first.</summary>
    public IReadOnlyList<string> FeatmapNames { get; }

    /// <summary>Bins per row and column.</summary>
    public int OutputSize { get; }

    /// <summary>Samples per bin and axis; 0 or less chooses them for each box.</summary>
    public int SamplingRatio { get; }

    /// <summary>s₀ of <see cref="LevelMapper"/>, pixels.</summary>
    public int CanonicalScale { get; init; } = 224;

    /// <summary>k₀ of <see cref="LevelMapper"/>.</summary>
    public int CanonicalLevel { get; init; } = 4;

    /// <summary>
    /// Whether the result's memory is <c>[Σ nᵢ, OutputSize, OutputSize, C]</c> where that of all features is <c>[N, H, W, C]</c>: what a convolution
    /// with channels-last weights reads best. Default false: contiguous, what a linear layer over flattened bins needs. Values and shape are the same.
    /// </summary>
    public bool ChannelsLast { get; init; }

    /// <summary>Pools from the levels named in <see cref="FeatmapNames"/>.</summary>
    /// <param name="features">Feature maps by name, finest first; those with other names are left out.</param>
    /// <param name="boxes">Per image <c>[nᵢ, 4]</c> in image pixels.</param>
    /// <param name="imageSizes">Per image its height and width before batching, in pixels.</param>
    /// <returns><c>[Σ nᵢ, C, OutputSize, OutputSize]</c>, image by image.</returns>
    public Tensor Pool(IEnumerable<KeyValuePair<string, Tensor>> features, IReadOnlyList<Tensor> boxes, IReadOnlyList<(int Height, int Width)> imageSizes) =>
        Pool([.. features.Where(feature => FeatmapNames.Contains(feature.Key)).Select(feature => feature.Value)], boxes, imageSizes);

    /// <summary>Pools.</summary>
    /// <param name="features">The feature maps <c>[N, C, Hₗ, Wₗ]</c>, finest first, one per level, each half the size of the one before.</param>
    /// <param name="boxes">Per image <c>[nᵢ, 4]</c> in image pixels. Not differentiated.</param>
    /// <param name="imageSizes">Per image its height and width before batching, in pixels.</param>
    /// <returns><c>[Σ nᵢ, C, OutputSize, OutputSize]</c>, image by image; its gradient flows to the features.</returns>
    public Tensor Pool(IReadOnlyList<Tensor> features, IReadOnlyList<Tensor> boxes, IReadOnlyList<(int Height, int Width)> imageSizes)
    {
        Check(features, boxes, imageSizes);
        var scales = Scales(features, imageSizes);
        var mapper = new LevelMapper(LevelOf(scales[0]), LevelOf(scales[^1]), CanonicalScale, CanonicalLevel);
        var rois = RoIs(boxes);
        var levels = features.Count == 1 ? new int[rois.Length / 5] : mapper.Map(rois, 5);
        var sampling = new RoISampling(OutputSize, OutputSize, SamplingRatio, Aligned: false);
        if (!features.All(TensorMemory.IsManaged))
            return PoolComposed(features, rois, levels, scales, sampling);

        var plan = new RoIPlan(rois, levels, [.. features.Select((feature, level) => RoIAlign.MapOf(feature, scales[level]))], sampling);
        return RoIAlignFunction.Run(features, plan, ChannelsLast);
    }

    /// <summary>2 ^ round(log₂(feature height / largest image height)), level by level.</summary>
    internal static double[] Scales(IReadOnlyList<Tensor> features, IReadOnlyList<(int Height, int Width)> imageSizes)
    {
        var height = imageSizes.Max(size => size.Height);
        return [.. features.Select(feature => Math.Pow(2, Math.Round(MathF.Log2((float)((double)feature.shape[2] / height)))))];
    }

    /// <summary>Level by level with torch operations, put together in the order of the boxes.</summary>
    internal static Tensor PoolComposed(IReadOnlyList<Tensor> features, float[] rois, int[] levels, double[] scales, RoISampling sampling)
    {
        using var scope = NewDisposeScope();
        var order = Enumerable.Range(0, levels.Length).OrderBy(k => levels[k]).ToArray();
        var place = new long[order.Length];
        for (var i = 0; i < order.Length; i++)
            place[order[i]] = i;

        var all = tensor(rois).view(-1, 5);
        var parts = new List<Tensor>();
        for (var level = 0; level < features.Count; level++)
        {
            var members = tensor(order.Where(k => levels[k] == level).Select(k => (long)k).ToArray(), ScalarType.Int64);
            parts.Add(RoIAlignComposed.Apply(features[level], all.index_select(0, members), sampling, scales[level]).to(features[0].dtype));
        }

        return cat(parts, 0).index_select(0, tensor(place, ScalarType.Int64, features[0].device)).MoveToOuterDisposeScope();
    }

    private static int LevelOf(double scale) => (int)-Math.Log2(scale);

    private static float[] RoIs(IReadOnlyList<Tensor> boxes)
    {
        var rois = new float[boxes.Sum(b => (int)b.shape[0]) * 5];
        var k = 0;
        for (var image = 0; image < boxes.Count; image++)
        {
            var values = TensorMemory.ToArray<float>(boxes[image], ScalarType.Float32);
            for (var i = 0; i < values.Length; i += 4, k += 5)
            {
                rois[k] = image;
                values.AsSpan(i, 4).CopyTo(rois.AsSpan(k + 1));
            }
        }

        return rois;
    }

    private static void Check(IReadOnlyList<Tensor> features, IReadOnlyList<Tensor> boxes, IReadOnlyList<(int Height, int Width)> imageSizes)
    {
        if (features.Count == 0)
            throw new ArgumentException("There must be at least one feature map to pool from; given none.", nameof(features));
        if (imageSizes.Count == 0)
            throw new ArgumentException("There must be at least one image; given none.", nameof(imageSizes));
        if (boxes.Count > features[0].shape[0])
            throw new ArgumentException($"There are boxes for {boxes.Count} images, but features of {features[0].shape[0]}.", nameof(boxes));
        foreach (var list in boxes)
            BoxOps.CheckBoxes(list, nameof(boxes));
        if (features.Any(feature => feature.dim() != 4 || feature.shape[1] != features[0].shape[1]))
            throw new ArgumentException("All feature maps must have the shape [N, C, H, W] with the same number of channels.", nameof(features));
    }
}
