using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace FilterPruning.Kernels;

/// <summary>
/// The sum of squares of a run of floats, in double precision throughout: the square of a float is exact there and can neither overflow nor vanish,
/// so only the additions round (n·2⁻⁵³ relative at most). NaN and infinity come through as in the plain loop.
/// Compiled at once in full: weights are scored once, and code that has yet to warm up is ten times slower.
/// </summary>
internal static unsafe class SquareSum
{
    /// <summary>The fastest of the three on this machine. Any length from 0; no alignment is asked for.</summary>
    public static double Of(float* x, long n) => Vector512.IsHardwareAccelerated ? OfVector512(x, n) : OfVector(x, n);

    /// <summary>The reference: one double accumulator.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static double OfScalar(float* x, long n)
    {
        double sum = 0;
        for (long i = 0; i < n; i++)
            sum += (double)x[i] * x[i];
        return sum;
    }

    // 16 lanes: 32 numbers a turn in four accumulators, then 16, then up to 15 one by one.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static double OfVector512(float* x, long n)
    {
        var a = Vector512<double>.Zero;
        var b = Vector512<double>.Zero;
        var c = Vector512<double>.Zero;
        var d = Vector512<double>.Zero;
        long i = 0;
        for (; i <= n - 32; i += 32)
        {
            var (v, w) = (Vector512.Load(x + i), Vector512.Load(x + i + 16));
            var (v0, v1, w0, w1) = (Vector512.WidenLower(v), Vector512.WidenUpper(v), Vector512.WidenLower(w), Vector512.WidenUpper(w));
            a = Vector512.MultiplyAddEstimate(v0, v0, a); // exact product: fused or not, one rounding
            b = Vector512.MultiplyAddEstimate(v1, v1, b);
            c = Vector512.MultiplyAddEstimate(w0, w0, c);
            d = Vector512.MultiplyAddEstimate(w1, w1, d);
        }

        for (; i <= n - 16; i += 16)
        {
            var v = Vector512.Load(x + i);
            var (low, high) = (Vector512.WidenLower(v), Vector512.WidenUpper(v));
            a = Vector512.MultiplyAddEstimate(low, low, a);
            b = Vector512.MultiplyAddEstimate(high, high, b);
        }

        return Vector512.Sum((a + b) + (c + d)) + OfScalar(x + i, n - i);
    }

    // 4 or 8 lanes, as the machine has: two vectors a turn, then one, then the rest one by one.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static double OfVector(float* x, long n)
    {
        var lanes = Vector<float>.Count;
        var a = Vector<double>.Zero;
        var b = Vector<double>.Zero;
        var c = Vector<double>.Zero;
        var d = Vector<double>.Zero;
        long i = 0;
        for (; i <= n - (2 * lanes); i += 2 * lanes)
        {
            Vector.Widen(Vector.Load(x + i), out var v0, out var v1);
            Vector.Widen(Vector.Load(x + i + lanes), out var w0, out var w1);
            a = Vector.MultiplyAddEstimate(v0, v0, a);
            b = Vector.MultiplyAddEstimate(v1, v1, b);
            c = Vector.MultiplyAddEstimate(w0, w0, c);
            d = Vector.MultiplyAddEstimate(w1, w1, d);
        }

        for (; i <= n - lanes; i += lanes)
        {
            Vector.Widen(Vector.Load(x + i), out var low, out var high);
            a = Vector.MultiplyAddEstimate(low, low, a);
            b = Vector.MultiplyAddEstimate(high, high, b);
        }

        return Vector.Sum((a + b) + (c + d)) + OfScalar(x + i, n - i);
    }
}
