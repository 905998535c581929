using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace FilterPruning.Detection.Ops;

/// <summary>
/// Pools one RoI from one plane after the other; the lanes of a vector are columns of the map. For processors that pick lanes out of two
/// vectors at once (AVX-512), RoIs that touch at most <see cref="MostColumns"/> columns, and at most <see cref="MostBins"/> bins a row.
/// </summary>
/// <remarks>
/// For every row of bins the rows of the map are added up in two vectors; then each bin picks its columns out of them, one entry of all bins at a
/// time. The order of additions is that of <see cref="RoIGather"/>, and so are the bits of the result wherever cells are finite.
/// One instance serves one thread; its memory is the caller's.
/// </remarks>
internal unsafe ref struct RoIRows
{
    /// <summary>The widest RoI, in columns from its first to its last.</summary>
    public const int MostColumns = 2 * Lanes;

    /// <summary>The most bins in a row.</summary>
    public const int MostBins = Lanes;

    // Entries a bin may have along x: two samples touch at most four cells.
    private const int MostEntries = 8;
    private const int Lanes = 16;

    private readonly RoIPlan _plan;
    private readonly float* _picks, _weights, _bins;
    private int _entries, _roi;
    private long _reach;

    /// <summary>Takes the work space, <see cref="Scratch"/> floats.</summary>
    public RoIRows(RoIPlan plan, float* scratch)
    {
        _plan = plan;
        _picks = scratch;
        _weights = _picks + MostEntries * Lanes;
        _bins = _weights + MostEntries * Lanes;
    }

    /// <summary>Whether this processor has what is needed.</summary>
    public static bool IsSupported => Avx512F.IsSupported && Vector512.IsHardwareAccelerated;

    /// <summary>Floats of work space.</summary>
    public static int Scratch(RoISampling sampling) => 2 * MostEntries * Lanes + sampling.Bins + Lanes;

    /// <summary>Turns to a RoI; false when it does not fit (then <see cref="RoIGather"/> has to pool it).</summary>
    public bool TrySet(int k)
    {
        var roi = _plan.Rois[k];
        var ow = _plan.Sampling.OutputWidth;
        if (ow > MostBins || roi.Columns > MostColumns)
            return false;
        var starts = _plan.ColumnStart.AsSpan(k * (ow + 1), ow + 1);
        _entries = 0;
        for (var pw = 0; pw < ow; pw++)
            _entries = Math.Max(_entries, starts[pw + 1] - starts[pw]);
        if (_entries > MostEntries)
            return false;

        _roi = k;
        var rows = _plan.RowStart.AsSpan(k * (_plan.Sampling.OutputHeight + 1), _plan.Sampling.OutputHeight + 1);
        var lowest = 0;
        foreach (var row in _plan.Index.AsSpan(rows[0]..rows[^1]))
            lowest = Math.Max(lowest, row);
        _reach = (long)lowest * _plan.Maps[roi.Level].Width + roi.FirstColumn + MostColumns;
        new Span<float>(_picks, _entries * Lanes).Clear();
        new Span<float>(_weights, _entries * Lanes).Clear();
        for (var pw = 0; pw < ow; pw++)
        {
            for (var e = starts[pw]; e < starts[pw + 1]; e++)
            {
                ((int*)_picks)[(e - starts[pw]) * Lanes + pw] = _plan.Index[e];
                _weights[(e - starts[pw]) * Lanes + pw] = _plan.Weight[e];
            }
        }

        return true;
    }

    /// <summary>Pools a range of channels of the current RoI.</summary>
    /// <param name="plane">The first channel's plane <c>[H, W]</c>.</param>
    /// <param name="end">The end of the map's memory, which whole vectors must not cross.</param>
    /// <param name="channels">How many channels.</param>
    /// <param name="output">The first channel's result <c>[oh, ow]</c>.</param>
    /// <returns>The number of channels that were pooled: the last ones may lie too close to the end of the memory.</returns>
    public readonly int Pool(float* plane, float* end, int channels, float* output)
    {
        var sampling = _plan.Sampling;
        var (oh, ow) = (sampling.OutputHeight, sampling.OutputWidth);
        var roi = _plan.Rois[_roi];
        var map = _plan.Maps[roi.Level];
        var starts = _plan.RowStart.AsSpan(_roi * (oh + 1), oh + 1);
        var size = map.Height * map.Width;
        fixed (int* index = _plan.Index)
        fixed (float* weight = _plan.Weight)
        {
            for (var c = 0; c < channels; c++, plane += size, output += sampling.Bins)
            {
                if (plane + _reach > end)
                    return c;
                var origin = plane + roi.FirstColumn;
                var bins = _bins;
                for (var ph = 0; ph < oh; ph++, bins += ow)
                {
                    Vector512<float> left = default, right = default;
                    for (var e = starts[ph]; e < starts[ph + 1]; e++)
                    {
                        var factor = Vector512.Create(weight[e]);
                        var cells = origin + (long)index[e] * map.Width;
                        left = Vector512.MultiplyAddEstimate(factor, Vector512.Load(cells), left);
                        right = Vector512.MultiplyAddEstimate(factor, Vector512.Load(cells + Lanes), right);
                    }

                    var sum = Vector512<float>.Zero;
                    for (var e = 0; e < _entries; e++)
                    {
                        var picked = Avx512F.PermuteVar16x32x2(left, Vector512.Load((int*)_picks + e * Lanes), right);
                        sum = Vector512.MultiplyAddEstimate(Vector512.Load(_weights + e * Lanes), picked, sum);
                    }

                    sum.Store(bins); // the next row overwrites what is too much
                }

                new ReadOnlySpan<float>(_bins, sampling.Bins).CopyTo(new Span<float>(output, sampling.Bins));
            }
        }

        return channels;
    }
}
