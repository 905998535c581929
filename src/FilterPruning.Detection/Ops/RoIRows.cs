using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace FilterPruning.Detection.Ops;

/// <summary>
/// Pools one RoI from one plane after the other; the lanes of a vector are columns of the map. For processors that pick lanes out of two
/// vectors at once (AVX-512), RoIs that touch at most <see cref="MostColumns"/> columns, at most <see cref="Lanes"/> bins a row and at most
/// <see cref="Entries"/> cells a bin along x (two samples never touch more).
/// </summary>
/// <remarks>
/// For every row of bins the rows of the map are added up in one or two vectors; then each bin picks its columns out of them, one entry of all bins at
/// a time. The order of additions is that of <see cref="RoIGather"/>, and so are the bits of the result wherever cells are finite.
/// What to pick is written down once a call: a block of channels may be as small as two planes. Safe to share between threads.
/// </remarks>
internal sealed unsafe class RoIRows
{
    private const int Lanes = 16;
    private const int Entries = 4;
    private const int MostColumns = 2 * Lanes;

    private readonly RoIPlan _plan;

    // For each RoI [entry][lane]: the column to pick, from the RoI's first, and its weight; zero where a bin has fewer entries.
    private readonly int[] _picks;
    private readonly float[] _weights;

    // For each RoI how far into a plane whole vectors reach; −1 where it does not fit.
    private readonly long[] _reach;

    public RoIRows(RoIPlan plan)
    {
        _plan = plan;
        (_picks, _weights, _reach) = (new int[plan.Count * Entries * Lanes], new float[plan.Count * Entries * Lanes], new long[plan.Count]);
        for (var k = 0; k < plan.Count; k++)
            _reach[k] = Describe(k);
    }

    /// <summary>Whether this processor has what is needed.</summary>
    public static bool IsSupported => Avx512F.IsSupported;

    /// <summary>Floats of work space that <see cref="Pool"/> needs.</summary>
    public static int Scratch(RoISampling sampling) => sampling.Bins + Lanes;

    /// <summary>Pools a range of channels of one RoI.</summary>
    /// <param name="k">The RoI.</param>
    /// <param name="plane">The first channel's plane <c>[H, W]</c>.</param>
    /// <param name="end">The end of the map's memory, which whole vectors must not cross.</param>
    /// <param name="channels">How many channels.</param>
    /// <param name="output">The first channel's result <c>[oh, ow]</c>.</param>
    /// <param name="scratch">See <see cref="Scratch"/>.</param>
    /// <returns>The number of channels that were pooled: none where the RoI does not fit, and the last ones may lie too close to the end of the memory.</returns>
    public int Pool(int k, float* plane, float* end, int channels, float* output, float* scratch)
    {
        if (_reach[k] < 0)
            return 0;
        var roi = _plan.Rois[k];
        var map = _plan.Maps[roi.Level];
        var bins = _plan.Sampling.Bins;
        var (done, size) = (0, (long)map.Height * map.Width);
        fixed (int* picks = &_picks[k * Entries * Lanes])
        fixed (float* weights = &_weights[k * Entries * Lanes])
        {
            for (; done < channels && plane + _reach[k] <= end; done++, plane += size, output += bins)
            {
                if (roi.Columns <= Lanes)
                    PoolBins<OneVector>(k, plane + roi.FirstColumn, map.Width, picks, weights, scratch);
                else
                    PoolBins<TwoVectors>(k, plane + roi.FirstColumn, map.Width, picks, weights, scratch);
                new ReadOnlySpan<float>(scratch, bins).CopyTo(new Span<float>(output, bins));
            }
        }

        return done;
    }

    // One loop for both widths: the compiler makes a version for each and drops what the other needs.
    private void PoolBins<TColumns>(int k, float* origin, int width, int* picks, float* weights, float* bins)
        where TColumns : struct
    {
        var (oh, ow) = (_plan.Sampling.OutputHeight, _plan.Sampling.OutputWidth);
        Vector512<int> pick0 = Vector512.Load(picks), pick1 = Vector512.Load(picks + Lanes), pick2 = Vector512.Load(picks + 2 * Lanes), pick3 = Vector512.Load(picks + 3 * Lanes);
        Vector512<float> weight0 = Vector512.Load(weights), weight1 = Vector512.Load(weights + Lanes), weight2 = Vector512.Load(weights + 2 * Lanes), weight3 = Vector512.Load(weights + 3 * Lanes);
        fixed (int* index = _plan.Index, starts = &_plan.RowStart[k * (oh + 1)])
        fixed (float* rowWeights = _plan.Weight)
        {
            for (var ph = 0; ph < oh; ph++, bins += ow)
            {
                Vector512<float> left = default, right = default;
                for (var e = starts[ph]; e < starts[ph + 1]; e++)
                {
                    var factor = Vector512.Create(rowWeights[e]);
                    var cells = origin + (long)index[e] * width;
                    left = Vector512.MultiplyAddEstimate(factor, Vector512.Load(cells), left);
                    if (typeof(TColumns) == typeof(TwoVectors))
                        right = Vector512.MultiplyAddEstimate(factor, Vector512.Load(cells + Lanes), right);
                }

                var sum = Vector512.MultiplyAddEstimate(weight0, Pick<TColumns>(left, right, pick0), Vector512<float>.Zero);
                sum = Vector512.MultiplyAddEstimate(weight1, Pick<TColumns>(left, right, pick1), sum);
                sum = Vector512.MultiplyAddEstimate(weight2, Pick<TColumns>(left, right, pick2), sum);
                sum = Vector512.MultiplyAddEstimate(weight3, Pick<TColumns>(left, right, pick3), sum);
                sum.Store(bins); // the next row overwrites what is too much
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Pick<TColumns>(Vector512<float> left, Vector512<float> right, Vector512<int> pick)
        where TColumns : struct =>
        typeof(TColumns) == typeof(TwoVectors) ? Avx512F.PermuteVar16x32x2(left, pick, right) : Avx512F.PermuteVar16x32(left, pick);

    // Writes down what to pick and says how far vectors reach.
    private long Describe(int k)
    {
        var roi = _plan.Rois[k];
        var (oh, ow) = (_plan.Sampling.OutputHeight, _plan.Sampling.OutputWidth);
        if (ow > Lanes || roi.Columns > MostColumns)
            return -1;
        var starts = _plan.ColumnStart.AsSpan(k * (ow + 1), ow + 1);
        for (var pw = 0; pw < ow; pw++)
        {
            if (starts[pw + 1] - starts[pw] > Entries)
                return -1;
            for (var e = starts[pw]; e < starts[pw + 1]; e++)
            {
                var at = (k * Entries + e - starts[pw]) * Lanes + pw;
                (_picks[at], _weights[at]) = (_plan.Index[e], _plan.Weight[e]);
            }
        }

        var lowest = 0;
        foreach (var row in _plan.Index.AsSpan(_plan.RowStart[k * (oh + 1)].._plan.RowStart[k * (oh + 1) + oh]))
            lowest = Math.Max(lowest, row);
        return (long)lowest * _plan.Maps[roi.Level].Width + roi.FirstColumn + (roi.Columns <= Lanes ? Lanes : MostColumns);
    }

    /// <summary>RoIs of at most <see cref="Lanes"/> columns.</summary>
    private readonly struct OneVector;

    /// <summary>RoIs of more.</summary>
    private readonly struct TwoVectors;
}
