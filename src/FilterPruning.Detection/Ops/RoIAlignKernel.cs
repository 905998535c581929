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
    /// <param name="features">The feature maps of <paramref name="plan"/>.</param>
    /// <param name="output">Address of <c>[K, C, oh, ow]</c>; every element is written.</param>
    /// <param name="channelsLast">Whether the output lies in memory as <c>[K, oh, ow, C]</c>. Then all maps must have their channels innermost.</param>
    public static void Forward(RoIPlan plan, RoISource[] features, nint output, bool channelsLast = false)
    {
        var items = Items(plan, features);
        var rows = RoIRows.IsSupported && plan.AllowRows && features.Any(source => !source.ChannelsLast) ? new RoIRows(plan) : null;
        TensorMemory.For(items.Count, i =>
        {
            var source = features[items[i].Group.Level];
            if (source.ChannelsLast)
                BlendItem(plan, items[i], (float*)source.Address, (float*)output, channelsLast);
            else
                GatherItem(plan, rows, items[i], (float*)source.Address, (float*)output);
        });
    }

    /// <summary>Adds the gradient with respect to the features.</summary>
    /// <param name="plan">What the forward pass read.</param>
    /// <param name="gradOutput">Address of <c>[K, C, oh, ow]</c>.</param>
    /// <param name="gradFeatures">Addresses of the gradients of the feature maps, zero at first.</param>
    public static void Backward(RoIPlan plan, nint gradOutput, nint[] gradFeatures)
    {
        var items = Items(plan, null);
        TensorMemory.For(items.Count, i => BackwardItem(plan, items[i], (float*)gradOutput, (float*)gradFeatures[items[i].Group.Level]));
    }

    // Sources are given where the RoIs of a group may be shared out as well; gradients of neighbouring RoIs meet in the same cells.
    private static List<Item> Items(RoIPlan plan, RoISource[]? sources)
    {
        var items = new List<Item>();
        foreach (var group in plan.Groups)
        {
            var map = plan.Maps[group.Level];
            var whole = sources is not null && sources[group.Level].ChannelsLast;
            var block = whole ? map.Channels : Math.Clamp(BlockBytes / (map.Height * map.Width * sizeof(float)), 1, 16);
            // With few channels (masks) there is nothing to share but the RoIs.
            var rois = sources is not null && (whole || map.Channels < 16) ? 8 : group.Members.Length;
            for (var channel = 0; channel < map.Channels; channel += block)
            {
                for (var first = 0; first < group.Members.Length; first += rois)
                    items.Add(new Item(group, channel, Math.Min(channel + block, map.Channels), first, Math.Min(first + rois, group.Members.Length)));
            }
        }

        return items;
    }

    private static void BlendItem(RoIPlan plan, Item item, float* features, float* output, bool channelsLast)
    {
        var map = plan.Maps[item.Group.Level];
        var image = features + (long)item.Group.Image * map.Channels * map.Height * map.Width;
        var scratch = ArrayPool<float>.Shared.Rent(channelsLast ? 1 : RoIBlend.Scratch(plan.Sampling, map.Channels));
        fixed (float* work = scratch)
        {
            for (var m = item.FirstRoi; m < item.EndRoi; m++)
            {
                var k = item.Group.Members[m];
                RoIBlend.Pool(plan, k, image, output + (long)k * map.Channels * plan.Sampling.Bins, channelsLast, work);
            }
        }

        ArrayPool<float>.Shared.Return(scratch);
    }

    private static void GatherItem(RoIPlan plan, RoIRows? rows, Item item, float* features, float* output)
    {
        var map = plan.Maps[item.Group.Level];
        var plane = (long)map.Height * map.Width;
        var imageFeatures = features + item.Group.Image * map.Channels * plane;
        var end = features + map.Images * map.Channels * plane;
        var scratch = ArrayPool<float>.Shared.Rent(RoIRows.Scratch(plan.Sampling));
        RoIGather? gather = null;
        fixed (float* work = scratch)
        {
            for (var m = item.FirstRoi; m < item.EndRoi; m++)
            {
                var k = item.Group.Members[m];
                var c = item.FirstChannel;
                if (rows is not null)
                    c += rows.Pool(k, imageFeatures + c * plane, end, item.EndChannel - c, output + ((long)k * map.Channels + c) * plan.Sampling.Bins, work);
                if (c < item.EndChannel)
                    (gather ??= new RoIGather(plan, map)).PoolChannels(k, imageFeatures, c, item.EndChannel, output + (long)k * map.Channels * plan.Sampling.Bins);
            }
        }

        ArrayPool<float>.Shared.Return(scratch);
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
