using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace FilterPruning.Kernels;

/// <summary>
/// What a magnitude counts in a norm (its p-th power), and how the sum of those becomes the norm. The vector forms add to sixteen sums in double precision, one for each lane of a pair:
/// a run of numbers folds them at its end, rows of many filters keep them apart.
/// </summary>
internal unsafe interface IPower
{
    /// <summary>Adds sixteen numbers.</summary>
    void Add<TElement>(byte* p, ref LaneSums sums, ref Vector256<ushort> seen)
        where TElement : struct, IElement;

    /// <summary>Adds four times sixteen numbers, each sixteen <paramref name="step"/> bytes after the ones before.</summary>
    void AddFour<TElement>(byte* p, nint step, ref LaneSums sums, ref Vector256<ushort> seen)
        where TElement : struct, IElement;

    /// <summary>What one magnitude counts; the reference for the vector forms.</summary>
    double Of(double magnitude);

    /// <summary>The norm from the sum.</summary>
    double Root(double sum);
}

/// <summary>Sixteen sums in double precision. Four fields, because the compiler keeps up to four in registers.</summary>
internal struct LaneSums
{
    public Vector256<double> A, B, C, D;

    /// <summary>All sixteen together.</summary>
    public readonly double Total => Vector256.Sum((A + B) + (C + D));

    /// <summary>Adds lanes 0 … 7 and 8 … 15.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Add(Vector256<float> first, Vector256<float> second)
    {
        A += Vector256.WidenLower(first);
        B += Vector256.WidenUpper(first);
        C += Vector256.WidenLower(second);
        D += Vector256.WidenUpper(second);
    }

    /// <summary>Adds the squares of lanes 0 … 7 and 8 … 15: the square of a float is exact in double precision, and can neither overflow nor vanish there.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void AddSquares(Vector256<float> first, Vector256<float> second)
    {
        var (a, b, c, d) = (Vector256.WidenLower(first), Vector256.WidenUpper(first), Vector256.WidenLower(second), Vector256.WidenUpper(second));
        A = Vector256.MultiplyAddEstimate(a, a, A);  // exact product: fused or not, one rounding
        B = Vector256.MultiplyAddEstimate(b, b, B);
        C = Vector256.MultiplyAddEstimate(c, c, C);
        D = Vector256.MultiplyAddEstimate(d, d, D);
    }
}

/// <summary>p = 1. Four magnitudes are added in single precision before they go to a double sum: three roundings, within 3·2⁻²⁴ (1.8e-7) of the true sum, relative, as no term is negative.</summary>
internal readonly unsafe struct Magnitudes : IPower
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Add<TElement>(byte* p, ref LaneSums sums, ref Vector256<ushort> seen)
        where TElement : struct, IElement
    {
        var (first, second) = TElement.Load(p, ref seen);
        sums.Add(first * TElement.Scale, second * TElement.Scale);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void AddFour<TElement>(byte* p, nint step, ref LaneSums sums, ref Vector256<ushort> seen)
        where TElement : struct, IElement
    {
        var (a, b) = TElement.Load(p, ref seen);
        var (c, d) = TElement.Load(p + step, ref seen);
        var (e, f) = TElement.Load(p + (2 * step), ref seen);
        var (g, h) = TElement.Load(p + (3 * step), ref seen);
        sums.Add(Plus<TElement>(e, g, Plus<TElement>(a, c)), Plus<TElement>(f, h, Plus<TElement>(b, d)));
    }

    public double Of(double magnitude) => magnitude;

    public double Root(double sum) => sum;

    // (a + c) · scale, and e · scale + g · scale + that; multiplying by a power of two is exact, so only sums round.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Plus<TElement>(Vector256<float> a, Vector256<float> c)
        where TElement : struct, IElement
    {
        if (TElement.Scale == 1)
            return a + c;
        var scale = Vector256.Create(TElement.Scale);
        return Vector256.MultiplyAddEstimate(a, scale, c * scale);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Plus<TElement>(Vector256<float> e, Vector256<float> g, Vector256<float> sum)
        where TElement : struct, IElement
    {
        if (TElement.Scale == 1)
            return sum + (e + g);
        var scale = Vector256.Create(TElement.Scale);
        return Vector256.MultiplyAddEstimate(e, scale, Vector256.MultiplyAddEstimate(g, scale, sum));
    }
}

/// <summary>
/// p = 2. Squares are summed in double precision, so that only additions round; where squares are short enough, four are added in single precision first (within 3·2⁻²⁴ of the sum).
/// </summary>
internal readonly unsafe struct Squares : IPower
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Add<TElement>(byte* p, ref LaneSums sums, ref Vector256<ushort> seen)
        where TElement : struct, IElement
    {
        var (first, second) = TElement.Load(p, ref seen);
        if (TElement.HasShortSquares)
        {
            (first, second) = (first * TElement.Scale, second * TElement.Scale);
            sums.Add(first * first, second * second);
        }
        else
        {
            sums.AddSquares(first, second);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void AddFour<TElement>(byte* p, nint step, ref LaneSums sums, ref Vector256<ushort> seen)
        where TElement : struct, IElement
    {
        if (!TElement.HasShortSquares)
        {
            Add<TElement>(p, ref sums, ref seen);
            Add<TElement>(p + step, ref sums, ref seen);
            Add<TElement>(p + (2 * step), ref sums, ref seen);
            Add<TElement>(p + (3 * step), ref sums, ref seen);
            return;
        }

        var (first, second) = (Vector256<float>.Zero, Vector256<float>.Zero);
        for (var i = 0; i < 4; i++)
        {
            var (a, b) = TElement.Load(p + (i * step), ref seen);
            (a, b) = (a * TElement.Scale, b * TElement.Scale);
            first = Vector256.MultiplyAddEstimate(a, a, first);
            second = Vector256.MultiplyAddEstimate(b, b, second);
        }

        sums.Add(first, second);
    }

    public double Of(double magnitude) => magnitude * magnitude;

    public double Root(double sum) => Math.Sqrt(sum);
}

/// <summary>
/// p = ½, 1, 1½ … 6: a square root and products, in double precision throughout. Up to 6 no power of a float32 overflows or vanishes there (2¹²⁸ to the sixth is 2⁷⁶⁸, 2⁻¹⁴⁹ is 2⁻⁸⁹⁴).
/// </summary>
/// <param name="halves">2p, from 1 to 12.</param>
internal readonly unsafe struct HalfIntegerPower(int halves) : IPower
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Add<TElement>(byte* p, ref LaneSums sums, ref Vector256<ushort> seen)
        where TElement : struct, IElement
    {
        var (first, second) = TElement.Load(p, ref seen);
        (first, second) = (first * TElement.Scale, second * TElement.Scale);
        sums.A += Raise(Vector256.WidenLower(first));
        sums.B += Raise(Vector256.WidenUpper(first));
        sums.C += Raise(Vector256.WidenLower(second));
        sums.D += Raise(Vector256.WidenUpper(second));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void AddFour<TElement>(byte* p, nint step, ref LaneSums sums, ref Vector256<ushort> seen)
        where TElement : struct, IElement
    {
        for (var i = 0; i < 4; i++)
            Add<TElement>(p + (i * step), ref sums, ref seen);
    }

    public double Of(double magnitude) => Math.Pow(magnitude, halves / 2.0);

    public double Root(double sum) => halves == 1 ? sum * sum : Math.Pow(sum, 2.0 / halves);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Vector256<double> Raise(Vector256<double> x)
    {
        var power = (halves & 1) == 0 ? Vector256<double>.One : Vector256.Sqrt(x);
        for (var i = halves >> 1; i > 0; i--)
            power *= x;
        return power;
    }
}

/// <summary>Any p up to 6 that is no multiple of ½: eᵖ ˡⁿ ˣ in double precision, limited by arithmetic and not by memory.</summary>
internal readonly unsafe struct AnyPower(double p) : IPower
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Add<TElement>(byte* p, ref LaneSums sums, ref Vector256<ushort> seen)
        where TElement : struct, IElement
    {
        var (first, second) = TElement.Load(p, ref seen);
        (first, second) = (first * TElement.Scale, second * TElement.Scale);
        sums.A += Raise(Vector256.WidenLower(first));
        sums.B += Raise(Vector256.WidenUpper(first));
        sums.C += Raise(Vector256.WidenLower(second));
        sums.D += Raise(Vector256.WidenUpper(second));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void AddFour<TElement>(byte* p, nint step, ref LaneSums sums, ref Vector256<ushort> seen)
        where TElement : struct, IElement
    {
        for (var i = 0; i < 4; i++)
            Add<TElement>(p + (i * step), ref sums, ref seen);
    }

    public double Of(double magnitude) => Math.Pow(magnitude, p);

    public double Root(double sum) => Math.Pow(sum, 1 / p);

    // A function of its own: its body is long, and is worth the call.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private Vector256<double> Raise(Vector256<double> x) => Vector256.Exp(Vector256.Log(x) * p);  // e⁻∞ is 0, as 0ᵖ is
}
