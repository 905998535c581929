using System.Buffers;
using System.Runtime.Intrinsics;

namespace FilterPruning.Detection.Ops;

/// <summary>RoIAlign over float32 memory in <c>[N, C, H, W]</c> order: forward, and the gradient with respect to the features.</summary>
/// <remarks>
/// Work is cut into (feature map, image, block of channels). No two items write the same cell, and the order of additions within an item is
/// fixed, so the bits of the result do not depend on the number of threads.
/// </remarks>
internal static unsafe class RoIAlignKernel
{
    // A block of planes that stays in the second-level cache while all RoIs of the image read it.
    private const int BlockBytes = 512 * 1024;

    /// <summary>Pools.</summary>
    /// <param name="plan">What to read.</param>
    /// <param name="features">Addresses of the feature maps of <paramref name="plan"/>.</param>
    /// <param name="output">Address of <c>[K, C, oh, ow]</c>; every element is written.</param>
    public static void Forward(RoIPlan plan, nint[] features, nint output)
    {
        var items = Items(plan, splitRois: true);
        TensorMemory.For(items.Count, i => ForwardItem(plan, items[i], (float*)features[items[i].Group.Level], (float*)output));
    }

    /// <summary>Adds the gradient with respect to the features.</summary>
    /// <param name="plan">What the forward pass read.</param>
    /// <param name="gradOutput">Address of <c>[K, C, oh, ow]</c>.</param>
    /// <param name="gradFeatures">Addresses of the gradients of the feature maps, zero at first.</param>
    public static void Backward(RoIPlan plan, nint gradOutput, nint[] gradFeatures)
    {
        var items = Items(plan, splitRois: false);
        TensorMemory.For(items.Count, i => BackwardItem(plan, items[i], (float*)gradOutput, (float*)gradFeatures[items[i].Group.Level]));
    }

    private static List<Item> Items(RoIPlan plan, bool splitRois)
    {
        var items = new List<Item>();
        foreach (var group in plan.Groups)
        {
            var map = plan.Maps[group.Level];
            var block = Math.Clamp(BlockBytes / (map.Height * map.Width * sizeof(float)), 1, 16);
            // With few channels (masks) there is nothing to share but the RoIs.
            var rois = splitRois && map.Channels < 16 ? 8 : group.Members.Length;
            for (var channel = 0; channel < map.Channels; channel += block)
            {
                for (var first = 0; first < group.Members.Length; first += rois)
                    items.Add(new Item(group, channel, Math.Min(channel + block, map.Channels), first, Math.Min(first + rois, group.Members.Length)));
            }
        }

        return items;
    }

    private static void ForwardItem(RoIPlan plan, Item item, float* features, float* output)
    {
        var map = plan.Maps[item.Group.Level];
        var plane = map.Height * map.Width;
        var imageFeatures = features + (long)item.Group.Image * map.Channels * plane;
        var gather = new RoIGather(plan, map);
        for (var m = item.FirstRoi; m < item.EndRoi; m++)
        {
            var k = item.Group.Members[m];
            gather.SetColumns(k);
            for (var bin = 0; bin < plan.Sampling.OutputHeight; bin += RoIGather.Lanes)
            {
                gather.SetRows(k, bin);
                for (var c = item.FirstChannel; c < item.EndChannel; c++)
                    gather.Pool(imageFeatures + (long)c * plane, output + ((long)k * map.Channels + c) * plan.Sampling.Bins);
            }
        }
    }

    private static void BackwardItem(RoIPlan plan, Item item, float* gradOutput, float* gradFeatures)
    {
        var map = plan.Maps[item.Group.Level];
        var plane = map.Height * map.Width;
        var imageGradient = gradFeatures + (long)item.Group.Image * map.Channels * plane;
        var buffer = ArrayPool<float>.Shared.Rent(map.Width + Vector256<float>.Count);
        fixed (float* line = buffer, weights = plan.Weight)
        fixed (int* index = plan.Index)
        {
            for (var m = item.FirstRoi; m < item.EndRoi; m++)
            {
                var k = item.Group.Members[m];
                for (var c = item.FirstChannel; c < item.EndChannel; c++)
                {
                    SpreadPlane(
                        plan, k, gradOutput + ((long)k * map.Channels + c) * plan.Sampling.Bins, map.Width, index, weights, line,
                        imageGradient + (long)c * plane, imageGradient + (c + 1L) * plane);
                }
            }
        }

        ArrayPool<float>.Shared.Return(buffer);
    }

    // The transpose of PoolPlane: bins back to columns, columns back to rows.
    private static void SpreadPlane(RoIPlan plan, int k, float* gradOutput, int width, int* index, float* weights, float* line, float* plane, float* planeEnd)
    {
        var (oh, ow) = (plan.Sampling.OutputHeight, plan.Sampling.OutputWidth);
        var roi = plan.Rois[k];
        var rows = plan.RowStart.AsSpan(k * (oh + 1), oh + 1);
        var columns = plan.ColumnStart.AsSpan(k * (ow + 1), ow + 1);
        var lanes = Vector256<float>.Count;
        for (var ph = 0; ph < oh; ph++, gradOutput += ow)
        {
            new Span<float>(line, roi.Columns + lanes).Clear();
            for (var pw = 0; pw < ow; pw++)
            {
                for (var e = columns[pw]; e < columns[pw + 1]; e++)
                    line[index[e]] += weights[e] * gradOutput[pw];
            }

            for (var e = rows[ph]; e < rows[ph + 1]; e++)
                AddRow(line, roi.Columns, weights[e], plane + (long)index[e] * width + roi.FirstColumn, planeEnd);
        }
    }

    // cells[x] += weight · line[x]; the line is padded with zeros, so whole vectors may reach into the plane's next row, but not beyond the plane.
    private static void AddRow(float* line, int count, float weight, float* cells, float* planeEnd)
    {
        var lanes = Vector256<float>.Count;
        var x = 0;
        for (; x < count && cells + x + lanes <= planeEnd; x += lanes)
            Vector256.MultiplyAddEstimate(Vector256.Create(weight), Vector256.Load(line + x), Vector256.Load(cells + x)).Store(cells + x);
        for (; x < count; x++)
            cells[x] = float.MultiplyAddEstimate(weight, line[x], cells[x]);
    }

    private readonly record struct Item(RoIGroup Group, int FirstChannel, int EndChannel, int FirstRoi, int EndRoi);
}
