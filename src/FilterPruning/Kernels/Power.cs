using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace FilterPruning.Kernels;

/// <summary>What a magnitude counts in a norm (its p-th power), and how the sum of those becomes the norm.</summary>
internal interface IPower
{
    /// <summary>Whether powers stay within single precision's range for as long as the norm itself does.</summary>
    static abstract bool FitsSingle { get; }

    /// <summary>The powers of eight magnitudes, which still have to be multiplied by their type's scale.</summary>
    Vector256<float> Raise<TElement>(Vector256<float> x)
        where TElement : struct, IElement;

    /// <summary>The same added to sums.</summary>
    Vector256<float> AddTo<TElement>(Vector256<float> sum, Vector256<float> x)
        where TElement : struct, IElement;

    /// <summary>The powers of sixteen magnitudes.</summary>
    Vector512<float> Raise<TElement>(Vector512<float> x)
        where TElement : struct, IElement;

    /// <summary>The same added to sums.</summary>
    Vector512<float> AddTo<TElement>(Vector512<float> sum, Vector512<float> x)
        where TElement : struct, IElement;

    /// <summary>The powers of four magnitudes added to sums, in double precision.</summary>
    Vector256<double> AddTo(Vector256<double> sum, Vector256<double> x);

    /// <summary>What one magnitude counts; the reference for the vector forms.</summary>
    double Of(double magnitude);

    /// <summary>The norm from the sum.</summary>
    double Root(double sum);
}

/// <summary>p = 1.</summary>
internal readonly struct Magnitudes : IPower
{
    public static bool FitsSingle => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector256<float> Raise<TElement>(Vector256<float> x)
        where TElement : struct, IElement => Scaled.By<TElement>(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector256<float> AddTo<TElement>(Vector256<float> sum, Vector256<float> x)
        where TElement : struct, IElement =>
        TElement.Scale == 1 ? sum + x : Vector256.MultiplyAddEstimate(x, Vector256.Create(TElement.Scale), sum);  // a power of two: only the sum rounds

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector512<float> Raise<TElement>(Vector512<float> x)
        where TElement : struct, IElement => Scaled.By<TElement>(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector512<float> AddTo<TElement>(Vector512<float> sum, Vector512<float> x)
        where TElement : struct, IElement =>
        TElement.Scale == 1 ? sum + x : Vector512.MultiplyAddEstimate(x, Vector512.Create(TElement.Scale), sum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector256<double> AddTo(Vector256<double> sum, Vector256<double> x) => sum + x;

    public double Of(double magnitude) => magnitude;

    public double Root(double sum) => sum;
}

/// <summary>p = 2.</summary>
internal readonly struct Squares : IPower
{
    public static bool FitsSingle => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector256<float> Raise<TElement>(Vector256<float> x)
        where TElement : struct, IElement
    {
        x = Scaled.By<TElement>(x);
        return x * x;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector256<float> AddTo<TElement>(Vector256<float> sum, Vector256<float> x)
        where TElement : struct, IElement
    {
        x = Scaled.By<TElement>(x);
        return Vector256.MultiplyAddEstimate(x, x, sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector512<float> Raise<TElement>(Vector512<float> x)
        where TElement : struct, IElement
    {
        x = Scaled.By<TElement>(x);
        return x * x;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector512<float> AddTo<TElement>(Vector512<float> sum, Vector512<float> x)
        where TElement : struct, IElement
    {
        x = Scaled.By<TElement>(x);
        return Vector512.MultiplyAddEstimate(x, x, sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector256<double> AddTo(Vector256<double> sum, Vector256<double> x) => Vector256.MultiplyAddEstimate(x, x, sum);  // exact product: fused or not, one rounding

    public double Of(double magnitude) => magnitude * magnitude;

    public double Root(double sum) => Math.Sqrt(sum);
}

/// <summary>p = ½, 1, 1½ … 6: a square root and products. Up to 6 no power of a float32 overflows or vanishes in double precision (2¹²⁸ to the sixth is 2⁷⁶⁸, 2⁻¹⁴⁹ is 2⁻⁸⁹⁴).</summary>
/// <param name="halves">2p, from 1 to 12.</param>
internal readonly struct HalfIntegerPower(int halves) : IPower
{
    public static bool FitsSingle => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector256<float> Raise<TElement>(Vector256<float> x)
        where TElement : struct, IElement
    {
        x = Scaled.By<TElement>(x);
        var power = (halves & 1) == 0 ? x : Vector256.Sqrt(x);
        for (var i = (halves - 1) >> 1; i > 0; i--)
            power *= x;
        return power;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector256<float> AddTo<TElement>(Vector256<float> sum, Vector256<float> x)
        where TElement : struct, IElement => sum + Raise<TElement>(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector512<float> Raise<TElement>(Vector512<float> x)
        where TElement : struct, IElement
    {
        x = Scaled.By<TElement>(x);
        var power = (halves & 1) == 0 ? x : Vector512.Sqrt(x);
        for (var i = (halves - 1) >> 1; i > 0; i--)
            power *= x;
        return power;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector512<float> AddTo<TElement>(Vector512<float> sum, Vector512<float> x)
        where TElement : struct, IElement => sum + Raise<TElement>(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector256<double> AddTo(Vector256<double> sum, Vector256<double> x)
    {
        var power = (halves & 1) == 0 ? x : Vector256.Sqrt(x);
        for (var i = (halves - 1) >> 1; i > 0; i--)
            power *= x;
        return sum + power;
    }

    public double Of(double magnitude) => Math.Pow(magnitude, halves / 2.0);

    public double Root(double sum) => halves == 1 ? sum * sum : Math.Pow(sum, 2.0 / halves);
}

/// <summary>Any p up to 6 that is no multiple of ½: eᵖ ˡⁿ ˣ, limited by arithmetic and not by memory.</summary>
internal readonly struct AnyPower(double p) : IPower
{
    public static bool FitsSingle => false;

    // For completeness: a logarithm in single precision is not exact enough for a norm.
    public Vector256<float> Raise<TElement>(Vector256<float> x)
        where TElement : struct, IElement => Vector256.Exp(Vector256.Log(Scaled.By<TElement>(x)) * (float)p);

    public Vector256<float> AddTo<TElement>(Vector256<float> sum, Vector256<float> x)
        where TElement : struct, IElement => sum + Raise<TElement>(x);

    public Vector512<float> Raise<TElement>(Vector512<float> x)
        where TElement : struct, IElement => Vector512.Exp(Vector512.Log(Scaled.By<TElement>(x)) * (float)p);

    public Vector512<float> AddTo<TElement>(Vector512<float> sum, Vector512<float> x)
        where TElement : struct, IElement => sum + Raise<TElement>(x);

    // A function of its own: its body is long, and is worth the call.
    [MethodImpl(MethodImplOptions.NoInlining)]
    public Vector256<double> AddTo(Vector256<double> sum, Vector256<double> x) => sum + Vector256.Exp(Vector256.Log(x) * p);  // e⁻∞ is 0, as 0ᵖ is

    public double Of(double magnitude) => Math.Pow(magnitude, p);

    public double Root(double sum) => Math.Pow(sum, 1 / p);
}

/// <summary>Magnitudes as they are loaded, times their type's scale; nothing where that is 1.</summary>
internal static class Scaled
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> By<TElement>(Vector256<float> x)
        where TElement : struct, IElement => TElement.Scale == 1 ? x : x * TElement.Scale;

    /// <summary>The same for sixteen.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> By<TElement>(Vector512<float> x)
        where TElement : struct, IElement => TElement.Scale == 1 ? x : x * TElement.Scale;
}
