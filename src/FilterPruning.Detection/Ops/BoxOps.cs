namespace FilterPruning.Detection.Ops;

/// <summary>Operations on boxes <c>[N, 4]</c> given as x1, y1, x2, y2 in pixels, as in <c>torchvision.ops.boxes</c> 0.14.1.</summary>
public static class BoxOps
{
    // torchvision's limit on a CPU, 4000 coordinates.
    private const int MostShifted = 1000;

    /// <summary>
    /// Greedy non-maximum suppression: keeps the best box, drops every box whose IoU with it is larger than the threshold, and goes on with
    /// the best of the rest.
    /// </summary>
    /// <param name="boxes">Floating point <c>[N, 4]</c>, any device.</param>
    /// <param name="scores">Floating point <c>[N]</c>.</param>
    /// <param name="iouThreshold">The largest IoU that two survivors may have.</param>
    /// <returns>int64 indices of the survivors on the boxes' device, by descending score; of equal scores the one with the smaller index comes first.</returns>
    public static Tensor Nms(Tensor boxes, Tensor scores, double iouThreshold)
    {
        CheckBoxes(boxes, nameof(boxes));
        CheckLength(boxes, scores, nameof(scores));
        var order = Order(scores);
        var kept = boxes.dtype == ScalarType.Float64
            ? NmsKernel.Run<double>(TensorMemory.ToArray<double>(boxes, ScalarType.Float64), order, iouThreshold)
            : NmsKernel.Run<float>(TensorMemory.ToArray<float>(boxes, ScalarType.Float32), order, iouThreshold);
        return Indices(kept, boxes);
    }

    /// <summary>Non-maximum suppression within each group (class, pyramid level): boxes of different groups leave each other alone.</summary>
    /// <param name="boxes">Floating point <c>[N, 4]</c>, any device.</param>
    /// <param name="scores">Floating point <c>[N]</c>.</param>
    /// <param name="groupIndices">int64 <c>[N]</c>, the group of each box.</param>
    /// <param name="iouThreshold">The largest IoU that two survivors of a group may have.</param>
    /// <returns>
    /// int64 indices of the survivors of all groups on the boxes' device, by descending score; of equal scores the one with the smaller index
    /// comes first (torchvision leaves that open).
    /// </returns>
    /// <remarks>
    /// Like torchvision on a CPU: up to 1000 boxes are shifted apart by group and suppressed together (the shift rounds coordinates, which can
    /// decide a close call), more boxes are suppressed group by group.
    /// </remarks>
    public static Tensor BatchedNms(Tensor boxes, Tensor scores, Tensor groupIndices, double iouThreshold)
    {
        CheckBoxes(boxes, nameof(boxes));
        CheckLength(boxes, scores, nameof(scores));
        CheckLength(boxes, groupIndices, nameof(groupIndices));
        if (boxes.NumberOfElements == 0)
            return Indices([], boxes);
        var order = Order(scores);
        var groups = TensorMemory.ToArray<long>(groupIndices, ScalarType.Int64);
        var kept = boxes.dtype == ScalarType.Float64
            ? RunBatched(TensorMemory.ToArray<double>(boxes, ScalarType.Float64), order, groups, iouThreshold)
            : RunBatched(TensorMemory.ToArray<float>(boxes, ScalarType.Float32), order, groups, iouThreshold);
        return Indices(kept, boxes);
    }

    /// <summary>Clips boxes to an image. Gradients pass where a coordinate was inside.</summary>
    /// <param name="boxes">Floating point <c>[…, 4]</c>.</param>
    /// <param name="imageSize">Height and width in pixels.</param>
    /// <returns>New boxes of the same shape with 0 ≤ x ≤ width and 0 ≤ y ≤ height.</returns>
    public static Tensor ClipToImage(Tensor boxes, (int Height, int Width) imageSize)
    {
        using var scope = NewDisposeScope();
        var parts = boxes.unbind(-1);
        return stack(
            [
                parts[0].clamp(0, imageSize.Width), parts[1].clamp(0, imageSize.Height),
                parts[2].clamp(0, imageSize.Width), parts[3].clamp(0, imageSize.Height),
            ],
            -1).MoveToOuterDisposeScope();
    }

    /// <summary>The indices (int64, ascending) of the boxes <c>[N, 4]</c> whose width and height are at least <paramref name="minSize"/> pixels.</summary>
    public static Tensor RemoveSmall(Tensor boxes, double minSize)
    {
        CheckBoxes(boxes, nameof(boxes));
        using var scope = NewDisposeScope();
        var size = boxes.narrow(1, 2, 2) - boxes.narrow(1, 0, 2);
        return size.ge(minSize).all(1).nonzero().squeeze(1).MoveToOuterDisposeScope();
    }

    /// <summary>The areas <c>[N]</c> of boxes <c>[N, 4]</c> in square pixels; half precision is computed in float32.</summary>
    public static Tensor Area(Tensor boxes)
    {
        CheckBoxes(boxes, nameof(boxes));
        using var scope = NewDisposeScope();
        var wide = Widen(boxes);
        return ((wide.select(1, 2) - wide.select(1, 0)) * (wide.select(1, 3) - wide.select(1, 1))).MoveToOuterDisposeScope();
    }

    /// <summary>Intersection over union of every box of one set with every box of another.</summary>
    /// <param name="boxes1">Floating point <c>[N, 4]</c>.</param>
    /// <param name="boxes2">Floating point <c>[M, 4]</c>.</param>
    /// <returns><c>[N, M]</c>; NaN where both boxes are empty.</returns>
    public static Tensor Iou(Tensor boxes1, Tensor boxes2)
    {
        CheckBoxes(boxes1, nameof(boxes1));
        CheckBoxes(boxes2, nameof(boxes2));
        using var scope = NewDisposeScope();
        var leftTop = maximum(boxes1.narrow(1, 0, 2).unsqueeze(1), boxes2.narrow(1, 0, 2)); // [N, M, 2]
        var rightBottom = minimum(boxes1.narrow(1, 2, 2).unsqueeze(1), boxes2.narrow(1, 2, 2)); // [N, M, 2]
        var size = Widen(rightBottom - leftTop).clamp_min(0);
        var intersection = size.select(2, 0) * size.select(2, 1); // [N, M]
        var union = Area(boxes1).unsqueeze(1) + Area(boxes2) - intersection;
        return (intersection / union).MoveToOuterDisposeScope();
    }

    internal static void CheckBoxes(Tensor boxes, string name)
    {
        if (boxes.dim() != 2 || boxes.shape[1] != 4)
            throw new ArgumentException($"Boxes must have the shape [N, 4] (x1, y1, x2, y2); given [{string.Join(", ", boxes.shape)}].", name);
    }

    /// <summary>The survivors of all groups, best first, as <see cref="BatchedNms"/> chooses them; float32 or float64.</summary>
    /// <param name="boxes">Row-major <c>[n, 4]</c>; changed where few boxes are shifted apart.</param>
    /// <param name="order">All indices, best first.</param>
    /// <param name="groups">The group of each box.</param>
    /// <param name="iouThreshold">The largest IoU that two survivors of a group may have.</param>
    internal static List<int> RunBatched<T>(T[] boxes, int[] order, long[] groups, double iouThreshold)
        where T : unmanaged, System.Numerics.IFloatingPointIeee754<T>
    {
        if (order.Length > MostShifted)
            return NmsKernel.RunByGroup(boxes, order, groups, iouThreshold);

        var (least, largest) = (T.PositiveInfinity, T.NegativeInfinity);
        foreach (var value in boxes)
            (least, largest) = (T.Min(least, value), T.Max(largest, value)); // NaN stays
        for (var i = 0; i < order.Length; i++)
        {
            var offset = T.CreateChecked(groups[i]) * (largest + T.One);
            foreach (ref var value in boxes.AsSpan(i * 4, 4))
                value += offset;
        }

        // Nothing shifted apart overlaps where no coordinate was negative; then groups need not be compared with one another.
        return least >= T.Zero && T.IsFinite(largest) && iouThreshold >= 0
            ? NmsKernel.RunByGroup(boxes, order, groups, iouThreshold)
            : NmsKernel.Run<T>(boxes, order, iouThreshold);
    }

    private static int[] Order(Tensor scores) => scores.dtype == ScalarType.Float64
        ? NmsKernel.DescendingOrder(TensorMemory.ToArray<double>(scores, ScalarType.Float64))
        : NmsKernel.DescendingOrder(TensorMemory.ToArray<float>(scores, ScalarType.Float32));

    private static Tensor Indices(List<int> indices, Tensor like) =>
        tensor(indices.ConvertAll(index => (long)index), dtype: ScalarType.Int64, device: like.device);

    private static void CheckLength(Tensor boxes, Tensor values, string name)
    {
        if (values.dim() != 1 || values.shape[0] != boxes.shape[0])
        {
            throw new ArgumentException(
                $"There must be one value per box, shape [{boxes.shape[0]}]; given [{string.Join(", ", values.shape)}].", name);
        }
    }

    // torchvision's _upcast: areas of half-precision boxes overflow.
    private static Tensor Widen(Tensor boxes) =>
        boxes.dtype is ScalarType.Float16 or ScalarType.BFloat16 ? boxes.to(ScalarType.Float32) : boxes;
}
