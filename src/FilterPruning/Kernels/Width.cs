using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace FilterPruning.Kernels;

/// <summary>
/// In which precision powers are taken. They are added to sixteen sums in double precision, one for each lane of a pair: a run of numbers folds them at its end, rows of many filters keep them apart.
/// </summary>
internal unsafe interface IWidth
{
    /// <summary>Whether the sum of <paramref name="count"/> powers shows that all of them were right. Where it does not, it has to be taken again at full length.</summary>
    static abstract bool Holds<TElement, TPower>(double sum, long count, TPower power)
        where TElement : struct, IElement
        where TPower : struct, IPower;

    /// <summary>Adds sixteen numbers.</summary>
    static abstract void Add<TElement, TPower>(byte* p, TPower power, ref LaneSums sums)
        where TElement : struct, IElement
        where TPower : struct, IPower;

    /// <summary>Adds eight times sixteen numbers, each sixteen <paramref name="step"/> bytes after the ones before.</summary>
    static abstract void AddEight<TElement, TPower>(byte* p, nint step, TPower power, ref LaneSums sums)
        where TElement : struct, IElement
        where TPower : struct, IPower;
}

/// <summary>
/// Powers in single precision, eight added there before they go to a double sum. A power's products and those additions, four deep, round by at most 2⁻²⁴ each (four roundings for p = 1, five for
/// p = ½ and 2, nine for p = 6), and no term is negative: the norm's error, 1/p of that, is below 1e-6, relative, as long as <see cref="Holds"/>.
/// </summary>
internal readonly unsafe struct Short : IWidth
{
    // A power below single precision's range is off by 2⁻¹²⁶ at most: all of them together by less than a rounding of such a sum.
    private const double LeastMean = 7.888609052210118e-31;  // 2⁻¹⁰⁰

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Holds<TElement, TPower>(double sum, long count, TPower power)
        where TElement : struct, IElement
        where TPower : struct, IPower =>
        (TPower.FitsSingle || (sum >= count * LeastMean && sum <= double.MaxValue))
        && (double.IsPositiveInfinity(TElement.Ceiling) || sum < power.Of(TElement.Ceiling));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Add<TElement, TPower>(byte* p, TPower power, ref LaneSums sums)
        where TElement : struct, IElement
        where TPower : struct, IPower
    {
        var (first, second) = TElement.Load(p);
        sums.Add(power.Raise<TElement>(first), power.Raise<TElement>(second));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddEight<TElement, TPower>(byte* p, nint step, TPower power, ref LaneSums sums)
        where TElement : struct, IElement
        where TPower : struct, IPower
    {
        var (a, b) = OfFour<TElement, TPower>(p, step, power);
        var (c, d) = OfFour<TElement, TPower>(p + (4 * step), step, power);
        sums.Add(a + c, b + d);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector256<float> First, Vector256<float> Second) OfFour<TElement, TPower>(byte* p, nint step, TPower power)
        where TElement : struct, IElement
        where TPower : struct, IPower
    {
        var (a, b) = TElement.Load(p);
        var (c, d) = TElement.Load(p + step);
        var (e, f) = TElement.Load(p + (2 * step));
        var (g, h) = TElement.Load(p + (3 * step));
        var first = power.AddTo<TElement>(power.Raise<TElement>(a), c);
        var second = power.AddTo<TElement>(power.Raise<TElement>(b), d);
        return (power.AddTo<TElement>(power.AddTo<TElement>(first, e), g), power.AddTo<TElement>(power.AddTo<TElement>(second, f), h));
    }
}

/// <summary>Powers in double precision throughout: right for the whole range of every type, and half as fast.</summary>
internal readonly unsafe struct Long : IWidth
{
    public static bool Holds<TElement, TPower>(double sum, long count, TPower power)
        where TElement : struct, IElement
        where TPower : struct, IPower => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Add<TElement, TPower>(byte* p, TPower power, ref LaneSums sums)
        where TElement : struct, IElement
        where TPower : struct, IPower
    {
        var (first, second) = TElement.LoadExactly(p);
        sums.A = power.AddTo(sums.A, Vector256.WidenLower(first));
        sums.B = power.AddTo(sums.B, Vector256.WidenUpper(first));
        sums.C = power.AddTo(sums.C, Vector256.WidenLower(second));
        sums.D = power.AddTo(sums.D, Vector256.WidenUpper(second));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddEight<TElement, TPower>(byte* p, nint step, TPower power, ref LaneSums sums)
        where TElement : struct, IElement
        where TPower : struct, IPower
    {
        for (var i = 0; i < 8; i++, p += step)
            Add<TElement, TPower>(p, power, ref sums);
    }
}

/// <summary>Sixteen sums in double precision. Four fields, because the compiler keeps up to four in registers.</summary>
internal struct LaneSums
{
    public Vector256<double> A, B, C, D;

    /// <summary>All sixteen together.</summary>
    public readonly double Total => Vector256.Sum((A + B) + (C + D));

    /// <summary>Adds to lanes 0 … 7 and 8 … 15.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Add(Vector256<float> first, Vector256<float> second)
    {
        A += Vector256.WidenLower(first);
        B += Vector256.WidenUpper(first);
        C += Vector256.WidenLower(second);
        D += Vector256.WidenUpper(second);
    }
}
