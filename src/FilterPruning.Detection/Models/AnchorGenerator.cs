namespace FilterPruning.Detection.Models;

/// <summary>Anchors: boxes of fixed sizes and shapes at every place of every pyramid level. torchvision <c>detection/anchor_utils.py</c>.</summary>
internal sealed class AnchorGenerator
{
    // One flat [A, 4] array a level, centred at the origin.
    private readonly float[][] _cellAnchors;

    /// <param name="sizes">Sizes in pixels for each level.</param>
    /// <param name="aspectRatios">Heights divided by widths, the same on all levels.</param>
    public AnchorGenerator(IReadOnlyList<IReadOnlyList<int>> sizes, IReadOnlyList<double> aspectRatios)
    {
        _cellAnchors = [.. sizes.Select(level => CellAnchors(level, aspectRatios))];
    }

    /// <summary>All anchors of an image, level by level, row by row; the same for every image of a batch. Moved to the caller's scope.</summary>
    /// <param name="imageSize">The padded batch's height and width.</param>
    /// <param name="features">The pyramid, each <c>[N, C, H, W]</c>.</param>
    /// <returns>float32 <c>[anchors, 4]</c>, corners in pixels of the padded batch.</returns>
    public Tensor Generate((long Height, long Width) imageSize, IReadOnlyList<Tensor> features)
    {
        using var scope = NewDisposeScope();
        var levels = new Tensor[features.Count];
        for (var level = 0; level < levels.Length; level++)
        {
            var (rows, columns) = (features[level].shape[2], features[level].shape[3]);
            var device = features[level].device;
            var y = arange(rows, dtype: float32, device: device) * (imageSize.Height / rows);
            var x = arange(columns, dtype: float32, device: device) * (imageSize.Width / columns);
            var shiftY = y.view(-1, 1).expand(rows, columns);
            var shiftX = x.view(1, -1).expand(rows, columns);
            var shifts = stack([shiftX, shiftY, shiftX, shiftY], dim: 2).view(-1, 1, 4);
            var cell = tensor(_cellAnchors[level], device: device).view(1, -1, 4);
            levels[level] = (shifts + cell).view(-1, 4); // [rows · columns · A, 4]
        }

        return cat(levels).MoveToOuterDisposeScope();
    }

    /// <summary>The anchors of one level around the origin, row-major <c>[sizes · ratios, 4]</c>.</summary>
    internal static float[] CellAnchors(IReadOnlyList<int> sizes, IReadOnlyList<double> aspectRatios)
    {
        var anchors = new List<float>();
        foreach (var ratio in aspectRatios)
        {
            var heightRatio = MathF.Sqrt((float)ratio);
            var widthRatio = 1 / heightRatio;
            foreach (var size in sizes)
            {
                var (width, height) = (widthRatio * size, heightRatio * size);
                foreach (var corner in new[] { -width, -height, width, height })
                    anchors.Add(MathF.Round(corner / 2, MidpointRounding.ToEven));
            }
        }

        return [.. anchors];
    }
}
