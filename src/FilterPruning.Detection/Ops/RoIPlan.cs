using System.Runtime.InteropServices;

namespace FilterPruning.Detection.Ops;

/// <summary>
/// Which feature cells every RoI reads, with which weights; the same for all channels, computed once per call.
/// </summary>
/// <remarks>
/// <para>
/// The bilinear weight of a sample is a product of a row weight and a column weight, and a bin's samples form a grid. So averaging a bin is
/// separable: a weighted sum of rows, then a weighted sum of columns. Row weights and column weights are stored per bin, with the cells that
/// several samples share merged and the division by the number of samples folded in.
/// </para>
/// <para>
/// Coordinates follow torchvision 0.14.1 (<c>csrc/ops/cpu/roi_align_common.h</c>) in float32, operation by operation: they decide
/// which cells are read, how many samples there are and whether a sample lies outside.
/// </para>
/// </remarks>
internal sealed class RoIPlan
{
    private readonly List<int> _index = [];
    private readonly List<float> _weight = [];

    /// <summary>Plans the RoIs of one call.</summary>
    /// <param name="rois">Row-major <c>[K, 5]</c>: image, x1, y1, x2, y2 in image pixels.</param>
    /// <param name="levels">Per RoI the feature map that it reads.</param>
    /// <param name="maps">The feature maps.</param>
    /// <param name="sampling">Output size and switches.</param>
    public RoIPlan(float[] rois, int[] levels, IReadOnlyList<FeatureMap> maps, RoISampling sampling)
    {
        Count = levels.Length;
        Maps = maps;
        Sampling = sampling;
        Rois = new Roi[Count];
        RowStart = new int[Count * (sampling.OutputHeight + 1)];
        ColumnStart = new int[Count * (sampling.OutputWidth + 1)];
        for (var k = 0; k < Count; k++)
            Rois[k] = Describe(k, rois.AsSpan(k * 5, 5), levels[k]);
        Index = [.. _index];
        Weight = [.. _weight];
        _index.Clear();
        _weight.Clear();
        MostColumnEntries = Enumerable.Range(0, Count).Max(k => (int?)(ColumnEnd(k) - ColumnStart[k * (sampling.OutputWidth + 1)])) ?? 0;
        Groups = [.. Enumerable.Range(0, Count).GroupBy(k => (Rois[k].Level, Rois[k].Image)).Select(group => new RoIGroup(group.Key.Level, group.Key.Image, [.. group]))];
    }

    public int Count { get; }

    public IReadOnlyList<FeatureMap> Maps { get; }

    public RoISampling Sampling { get; }

    /// <summary>Whether <see cref="RoIRows"/> may pool where the processor has what it needs; tests turn it off to compare.</summary>
    public bool AllowRows { get; init; } = true;

    public Roi[] Rois { get; }

    /// <summary>For RoI k and bin row p, <c>[k · (oh + 1) + p]</c>: where its entries begin; the next element is where they end.</summary>
    public int[] RowStart { get; }

    /// <summary>The same for bin columns.</summary>
    public int[] ColumnStart { get; }

    /// <summary>Per entry a row of the map, or a column relative to the RoI's first column.</summary>
    public int[] Index { get; }

    public float[] Weight { get; }

    /// <summary>The largest number of column entries of any RoI.</summary>
    public int MostColumnEntries { get; }

    /// <summary>The RoIs by feature map and image, in ascending order within a group.</summary>
    public RoIGroup[] Groups { get; }

    private int ColumnEnd(int k) => ColumnStart[k * (Sampling.OutputWidth + 1) + Sampling.OutputWidth];

    private Roi Describe(int k, ReadOnlySpan<float> roi, int level)
    {
        var map = Maps[level];
        var image = (int)roi[0];
        if (!(roi[0] >= 0) || image >= map.Images)
        {
            throw new ArgumentException(
                FormattableString.Invariant($"RoI {k} names image {roi[0]}; there are {map.Images} (0 … {map.Images - 1})."), nameof(roi));
        }

        var x = Axis(roi[1], roi[3], map.Scale, Sampling.OutputWidth);
        var y = Axis(roi[2], roi[4], map.Scale, Sampling.OutputHeight);
        AddAxis(y, map.Height, RowStart.AsSpan(k * (Sampling.OutputHeight + 1), Sampling.OutputHeight + 1));
        var columns = ColumnStart.AsSpan(k * (Sampling.OutputWidth + 1), Sampling.OutputWidth + 1);
        AddAxis(x, map.Width, columns);

        var used = CollectionsMarshal.AsSpan(_index)[columns[0]..columns[^1]];
        if (used.IsEmpty)
            return new Roi(level, image, 0, 0);
        int first = int.MaxValue, last = 0;
        foreach (var column in used)
            (first, last) = (Math.Min(first, column), Math.Max(last, column));
        foreach (ref var column in used)
            column -= first;
        return new Roi(level, image, first, last - first + 1);
    }

    private SampleAxis Axis(float from, float to, float scale, int bins)
    {
        var offset = Sampling.Aligned ? 0.5f : 0f;
        var start = from * scale - offset;
        var size = to * scale - offset - start;
        if (!Sampling.Aligned)
            size = Math.Max(size, 1f);
        // A box with an infinite or undefined coordinate reads nothing.
        if (!float.IsFinite(start) || !float.IsFinite(size))
            return new SampleAxis(0, 0, 0, bins);
        var samples = Sampling.SamplingRatio > 0 ? Sampling.SamplingRatio : (int)MathF.Ceiling(size / bins);
        return new SampleAxis(start, size / bins, samples, bins);
    }

    private void AddAxis(SampleAxis axis, int cells, Span<int> starts)
    {
        for (var bin = 0; bin < axis.Bins; bin++)
        {
            starts[bin] = _index.Count;
            for (var i = 0; i < axis.Samples; i++)
                AddSample(starts[bin], axis.Start + bin * axis.BinSize + (i + 0.5f) * axis.BinSize / axis.Samples, cells);
            // The average over the samples of a bin, those outside the map included.
            foreach (ref var weight in CollectionsMarshal.AsSpan(_weight)[starts[bin]..])
                weight /= axis.Samples;
        }

        starts[axis.Bins] = _index.Count;
    }

    private void AddSample(int binStart, float position, int cells)
    {
        if (position < -1 || position > cells)
            return;
        position = Math.Max(position, 0);
        var low = (int)position;
        if (low >= cells - 1)
        {
            AddWeight(binStart, cells - 1, 1);
            return;
        }

        var fraction = position - low;
        AddWeight(binStart, low, 1 - fraction);
        AddWeight(binStart, low + 1, fraction);
    }

    private void AddWeight(int binStart, int cell, float weight)
    {
        // Samples come in order, so a cell shared with an earlier sample is one of the last two.
        for (var i = _index.Count - 1; i >= Math.Max(binStart, _index.Count - 2); i--)
        {
            if (_index[i] == cell)
            {
                _weight[i] += weight;
                return;
            }
        }

        _index.Add(cell);
        _weight.Add(weight);
    }

    private readonly record struct SampleAxis(float Start, float BinSize, int Samples, int Bins);
}

/// <summary>The size of one feature map and its scale relative to the image.</summary>
internal readonly record struct FeatureMap(int Images, int Channels, int Height, int Width, float Scale);

/// <summary>Where one RoI reads: feature map, image, and the range of columns that its bins touch (none when it lies outside).</summary>
internal readonly record struct Roi(int Level, int Image, int FirstColumn, int Columns);

/// <summary>The RoIs of one image on one feature map.</summary>
internal readonly record struct RoIGroup(int Level, int Image, int[] Members);
