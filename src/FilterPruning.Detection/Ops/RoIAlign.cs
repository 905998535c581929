namespace FilterPruning.Detection.Ops;

/// <summary>
/// RoIAlign (He et al., Mask R-CNN, 2017): averages of bilinear samples on a grid of bins within each region of interest, without rounding any
/// coordinate. The semantics are those of <c>torchvision.ops.roi_align</c> 0.14.1.
/// </summary>
public static class RoIAlign
{
    /// <summary>Pools regions of interest.</summary>
    /// <param name="input">Floating point <c>[N, C, H, W]</c>, any device. float32 on the CPU takes a managed kernel, anything else torch operations.</param>
    /// <param name="rois">Floating point <c>[K, 5]</c>: index of the image, x1, y1, x2, y2 in image pixels. Not differentiated.</param>
    /// <param name="outputHeight">Bins per column, at least 1.</param>
    /// <param name="outputWidth">Bins per row, at least 1.</param>
    /// <param name="spatialScale">Feature cells per image pixel, for instance 1/4.</param>
    /// <param name="samplingRatio">Samples per bin and axis; 0 or less chooses ⌈RoI size / output size⌉ for each RoI.</param>
    /// <param name="aligned">False: cell centres at integers and RoIs of at least one cell, as Mask R-CNN was published. True: cell centres at half-integers.</param>
    /// <returns><c>[K, C, outputHeight, outputWidth]</c>; its gradient flows to <paramref name="input"/>.</returns>
    /// <remarks>
    /// Samples outside of the map by more than a cell count as zero. A box with an undefined or infinite coordinate pools zeros; an undefined
    /// or infinite cell may spoil all bins of the RoIs that read it. The result has the same bits for any number of threads. There is no second derivative on the CPU.
    /// </remarks>
    /// <exception cref="ArgumentException">A shape does not fit, or a RoI names an image that is not there.</exception>
    public static Tensor Apply(
        Tensor input, Tensor rois, int outputHeight, int outputWidth, double spatialScale = 1, int samplingRatio = -1, bool aligned = false)
    {
        Check(input, rois, outputHeight, outputWidth);
        var sampling = new RoISampling(outputHeight, outputWidth, samplingRatio, aligned);
        if (!TensorMemory.IsManaged(input))
            return RoIAlignComposed.Apply(input, rois, sampling, spatialScale);

        var plan = new RoIPlan(TensorMemory.ToArray<float>(rois, ScalarType.Float32), new int[rois.shape[0]], [MapOf(input, spatialScale)], sampling);
        return RoIAlignFunction.Run([input], plan);
    }

    internal static FeatureMap MapOf(Tensor feature, double scale)
    {
        var shape = feature.shape;
        return new FeatureMap((int)shape[0], (int)shape[1], (int)shape[2], (int)shape[3], (float)scale);
    }

    private static void Check(Tensor input, Tensor rois, int outputHeight, int outputWidth)
    {
        if (input.dim() != 4)
            throw new ArgumentException($"The input must have the shape [N, C, H, W]; given [{string.Join(", ", input.shape)}].", nameof(input));
        if (rois.dim() != 2 || rois.shape[1] != 5)
        {
            throw new ArgumentException(
                $"RoIs must have the shape [K, 5] (image, x1, y1, x2, y2); given [{string.Join(", ", rois.shape)}].", nameof(rois));
        }

        ArgumentOutOfRangeException.ThrowIfLessThan(outputHeight, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(outputWidth, 1);
    }
}
