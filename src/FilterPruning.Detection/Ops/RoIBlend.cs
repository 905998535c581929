using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace FilterPruning.Detection.Ops;

/// <summary>Pools RoIs from a map whose channels lie innermost; the lanes of a vector are channels.</summary>
/// <remarks>
/// Cells are added up in the order of the other kernels (a column over the rows of a bin, then the columns), so that the layout of the map does
/// not change a bit of the result.
/// </remarks>
internal static unsafe class RoIBlend
{
    private const int Lanes = 8;

    // Four vectors: enough independent sums to hide the latency of one addition.
    private const int Block = 4 * Lanes;

    /// <summary>Floats of work space that <see cref="Pool"/> needs where the result is <c>[C, oh, ow]</c>.</summary>
    public static int Scratch(RoISampling sampling, int channels) => sampling.Bins * channels;

    /// <summary>Pools one RoI.</summary>
    /// <param name="plan">What to read.</param>
    /// <param name="k">The RoI.</param>
    /// <param name="image">Address of the RoI's image <c>[H, W, C]</c>.</param>
    /// <param name="output">Address of the RoI's result: <c>[C, oh, ow]</c>, or <c>[oh, ow, C]</c>.</param>
    /// <param name="channelsLast">Whether the result is <c>[oh, ow, C]</c>.</param>
    /// <param name="scratch">See <see cref="Scratch"/>; not used where the result is <c>[oh, ow, C]</c>.</param>
    public static void Pool(RoIPlan plan, int k, float* image, float* output, bool channelsLast, float* scratch)
    {
        var channels = plan.Maps[plan.Rois[k].Level].Channels;
        PoolBins(plan, k, image, channels, channelsLast ? output : scratch);
        if (!channelsLast)
            Transpose(scratch, output, plan.Sampling.Bins, channels);
    }

    // To [bins][channels]: all channels of a bin before the next, so that cells are read as they lie and neighbouring bins find theirs in the cache.
    private static void PoolBins(RoIPlan plan, int k, float* image, int channels, float* target)
    {
        var roi = plan.Rois[k];
        var (oh, ow) = (plan.Sampling.OutputHeight, plan.Sampling.OutputWidth);
        var rows = plan.RowStart.AsSpan(k * (oh + 1), oh + 1);
        var columns = plan.ColumnStart.AsSpan(k * (ow + 1), ow + 1);
        var line = (long)channels * plan.Maps[roi.Level].Width;
        var origin = image + (long)roi.FirstColumn * channels;
        fixed (int* index = plan.Index)
        fixed (float* weights = plan.Weight)
        {
            for (var ph = 0; ph < oh; ph++)
            {
                for (var pw = 0; pw < ow; pw++, target += channels)
                {
                    var bin = new Bin(
                        index + rows[ph], weights + rows[ph], rows[ph + 1] - rows[ph],
                        index + columns[pw], weights + columns[pw], columns[pw + 1] - columns[pw], origin, channels, line);
                    var c = 0;
                    for (; c + Block <= channels; c += Block)
                        bin.FourVectors(c, target + c);
                    for (; c + Lanes <= channels; c += Lanes)
                        bin.OneVector(c).Store(target + c);
                    for (; c < channels; c++)
                        target[c] = bin.OneChannel(c);
                }
            }
        }
    }

    // [bins][channels] to [channels][bins], in squares of eight; the last squares overlap those before them.
    private static void Transpose(float* from, float* to, int bins, int channels)
    {
        if (!Avx.IsSupported || bins < Lanes || channels < Lanes)
        {
            for (var c = 0; c < channels; c++)
            {
                for (var b = 0; b < bins; b++)
                    to[(long)c * bins + b] = from[(long)b * channels + c];
            }

            return;
        }

        for (var c = 0; c < channels; c += Lanes)
        {
            c = Math.Min(c, channels - Lanes);
            for (var b = 0; b < bins; b += Lanes)
            {
                b = Math.Min(b, bins - Lanes);
                TransposeSquare(from + (long)b * channels + c, channels, to + (long)c * bins + b, bins);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void TransposeSquare(float* from, long across, float* to, long stride)
    {
        var r0 = Vector256.Load(from);
        var r1 = Vector256.Load(from + across);
        var r2 = Vector256.Load(from + 2 * across);
        var r3 = Vector256.Load(from + 3 * across);
        var r4 = Vector256.Load(from + 4 * across);
        var r5 = Vector256.Load(from + 5 * across);
        var r6 = Vector256.Load(from + 6 * across);
        var r7 = Vector256.Load(from + 7 * across);
        var (a0, a1, a2, a3) = (Avx.UnpackLow(r0, r1), Avx.UnpackHigh(r0, r1), Avx.UnpackLow(r2, r3), Avx.UnpackHigh(r2, r3));
        var (a4, a5, a6, a7) = (Avx.UnpackLow(r4, r5), Avx.UnpackHigh(r4, r5), Avx.UnpackLow(r6, r7), Avx.UnpackHigh(r6, r7));
        const byte low = 0x44, high = 0xEE;
        var (b0, b1, b2, b3) = (Avx.Shuffle(a0, a2, low), Avx.Shuffle(a0, a2, high), Avx.Shuffle(a1, a3, low), Avx.Shuffle(a1, a3, high));
        var (b4, b5, b6, b7) = (Avx.Shuffle(a4, a6, low), Avx.Shuffle(a4, a6, high), Avx.Shuffle(a5, a7, low), Avx.Shuffle(a5, a7, high));
        Avx.Permute2x128(b0, b4, 0x20).Store(to);
        Avx.Permute2x128(b1, b5, 0x20).Store(to + stride);
        Avx.Permute2x128(b2, b6, 0x20).Store(to + 2 * stride);
        Avx.Permute2x128(b3, b7, 0x20).Store(to + 3 * stride);
        Avx.Permute2x128(b0, b4, 0x31).Store(to + 4 * stride);
        Avx.Permute2x128(b1, b5, 0x31).Store(to + 5 * stride);
        Avx.Permute2x128(b2, b6, 0x31).Store(to + 6 * stride);
        Avx.Permute2x128(b3, b7, 0x31).Store(to + 7 * stride);
    }

    /// <summary>What one bin reads: its row entries, its column entries, and where the RoI's first column begins.</summary>
    private readonly struct Bin(int* rows, float* rowWeights, int rowCount, int* columns, float* columnWeights, int columnCount, float* origin, long cell, long line)
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void FourVectors(int channel, float* target)
        {
            Vector256<float> out0 = default, out1 = default, out2 = default, out3 = default;
            for (var x = 0; x < columnCount; x++)
            {
                Vector256<float> sum0 = default, sum1 = default, sum2 = default, sum3 = default;
                var column = origin + columns[x] * cell + channel;
                for (var y = 0; y < rowCount; y++)
                {
                    var weight = Vector256.Create(rowWeights[y]);
                    var p = column + rows[y] * line;
                    sum0 = Vector256.MultiplyAddEstimate(weight, Vector256.Load(p), sum0);
                    sum1 = Vector256.MultiplyAddEstimate(weight, Vector256.Load(p + Lanes), sum1);
                    sum2 = Vector256.MultiplyAddEstimate(weight, Vector256.Load(p + 2 * Lanes), sum2);
                    sum3 = Vector256.MultiplyAddEstimate(weight, Vector256.Load(p + 3 * Lanes), sum3);
                }

                var across = Vector256.Create(columnWeights[x]);
                out0 = Vector256.MultiplyAddEstimate(across, sum0, out0);
                out1 = Vector256.MultiplyAddEstimate(across, sum1, out1);
                out2 = Vector256.MultiplyAddEstimate(across, sum2, out2);
                out3 = Vector256.MultiplyAddEstimate(across, sum3, out3);
            }

            out0.Store(target);
            out1.Store(target + Lanes);
            out2.Store(target + 2 * Lanes);
            out3.Store(target + 3 * Lanes);
        }

        public Vector256<float> OneVector(int channel)
        {
            var result = Vector256<float>.Zero;
            for (var x = 0; x < columnCount; x++)
            {
                var sum = Vector256<float>.Zero;
                var column = origin + columns[x] * cell + channel;
                for (var y = 0; y < rowCount; y++)
                    sum = Vector256.MultiplyAddEstimate(Vector256.Create(rowWeights[y]), Vector256.Load(column + rows[y] * line), sum);
                result = Vector256.MultiplyAddEstimate(Vector256.Create(columnWeights[x]), sum, result);
            }

            return result;
        }

        public float OneChannel(int channel)
        {
            var result = 0f;
            for (var x = 0; x < columnCount; x++)
            {
                var sum = 0f;
                var column = origin + columns[x] * cell + channel;
                for (var y = 0; y < rowCount; y++)
                    sum = float.MultiplyAddEstimate(rowWeights[y], column[rows[y] * line], sum);
                result = float.MultiplyAddEstimate(columnWeights[x], sum, result);
            }

            return result;
        }
    }
}
