using System.Numerics;
using System.Runtime.CompilerServices;

namespace FilterPruning.Kernels;

/// <summary>How far two runs of floats are apart, in one pass over both: comparing every value that a forward hands on is bound by reading memory once, not by ten passes over it.</summary>
internal static unsafe class LargestDifference
{
    /// <summary>The largest |actual − expected| and the largest finite |expected|. Equal infinities, and two NaN, do not differ; a NaN on one side alone gives NaN.</summary>
    /// <param name="actual">The first run.</param>
    /// <param name="expected">The second run, as long.</param>
    /// <param name="n">Their length, from 0.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static (float Difference, float Scale) Of(float* actual, float* expected, long n)
    {
        var lanes = Vector<float>.Count;
        var (largest, scales, odd) = (Vector<float>.Zero, Vector<float>.Zero, Vector<int>.Zero);
        var infinity = new Vector<float>(float.PositiveInfinity);
        long i = 0;
        for (; i <= n - lanes; i += lanes)
        {
            var (a, e) = (Vector.Load(actual + i), Vector.Load(expected + i));
            var same = Vector.Equals(a, e) | Vector.AndNot(Vector.AndNot(Vector<int>.AllBitsSet, Vector.Equals(a, a)), Vector.Equals(e, e));
            var difference = Vector.ConditionalSelect(same, Vector<float>.Zero, Vector.Abs(a - e));
            odd |= Vector.AndNot(Vector<int>.AllBitsSet, Vector.Equals(difference, difference));
            largest = Vector.ConditionalSelect(Vector.GreaterThan(difference, largest), difference, largest);
            var size = Vector.Abs(e);
            scales = Vector.ConditionalSelect(Vector.LessThan(size, infinity) & Vector.GreaterThan(size, scales), size, scales);
        }

        var (most, scale, isOdd) = (0f, 0f, odd != Vector<int>.Zero);
        for (var lane = 0; lane < lanes; lane++) (most, scale) = (Math.Max(most, largest[lane]), Math.Max(scale, scales[lane]));
        for (; i < n; i++)
        {
            var (a, e) = (actual[i], expected[i]);
            var difference = a == e || (float.IsNaN(a) && float.IsNaN(e)) ? 0 : Math.Abs(a - e);
            isOdd |= float.IsNaN(difference);
            most = Math.Max(most, difference);
            if (float.IsFinite(e)) scale = Math.Max(scale, Math.Abs(e));
        }

        return (isOdd ? float.NaN : most, scale);
    }
}
