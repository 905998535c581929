using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace FilterPruning.Kernels;

/// <summary>
/// In which precision powers are taken. They are added to sixteen sums in double precision, one for each lane of a pair: a run of numbers folds them at its end, rows of many filters keep them apart.
/// </summary>
internal unsafe interface IWidth
{
    /// <summary>Whether nothing that matters left the range on the way to the sum of <paramref name="count"/> powers. Where it did, the sum has to be taken again in double precision.</summary>
    static abstract bool Holds<TPower>(double sum, long count)
        where TPower : struct, IPower;

    /// <summary>Adds sixteen numbers.</summary>
    static abstract void Add<TElement, TPower>(byte* p, TPower power, ref LaneSums sums, ref Vector256<ushort> seen)
        where TElement : struct, IElement
        where TPower : struct, IPower;

    /// <summary>Adds four times sixteen numbers, each sixteen <paramref name="step"/> bytes after the ones before.</summary>
    static abstract void AddFour<TElement, TPower>(byte* p, nint step, TPower power, ref LaneSums sums, ref Vector256<ushort> seen)
        where TElement : struct, IElement
        where TPower : struct, IPower;
}

/// <summary>
/// Powers in single precision, four added there before they go to a double sum. A power's products and those three additions round by at most 2⁻²⁴ each (three roundings for p = 1, four for p = 2,
/// nine for p = 6), and no term is negative: the norm is within 1e-6, relative, as long as <see cref="Holds"/>.
/// </summary>
internal readonly unsafe struct Short : IWidth
{
    // A power below single precision's range is off by 2⁻¹²⁶ at most: all of them together by less than a rounding of such a sum.
    private const double LeastMean = 7.888609052210118e-31;  // 2⁻¹⁰⁰

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Holds<TPower>(double sum, long count)
        where TPower : struct, IPower => TPower.FitsSingle || (sum >= count * LeastMean && sum <= double.MaxValue);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Add<TElement, TPower>(byte* p, TPower power, ref LaneSums sums, ref Vector256<ushort> seen)
        where TElement : struct, IElement
        where TPower : struct, IPower
    {
        var (first, second) = TElement.Load(p, ref seen);
        sums.Add(power.Raise<TElement>(first), power.Raise<TElement>(second));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddFour<TElement, TPower>(byte* p, nint step, TPower power, ref LaneSums sums, ref Vector256<ushort> seen)
        where TElement : struct, IElement
        where TPower : struct, IPower
    {
        var (a, b) = TElement.Load(p, ref seen);
        var (c, d) = TElement.Load(p + step, ref seen);
        var (e, f) = TElement.Load(p + (2 * step), ref seen);
        var (g, h) = TElement.Load(p + (3 * step), ref seen);
        var first = power.AddTo<TElement>(power.Raise<TElement>(a), c);
        var second = power.AddTo<TElement>(power.Raise<TElement>(b), d);
        first = power.AddTo<TElement>(power.AddTo<TElement>(first, e), g);
        second = power.AddTo<TElement>(power.AddTo<TElement>(second, f), h);
        sums.Add(first, second);
    }
}

/// <summary>Powers in double precision throughout: right for the whole range of every type, and half as fast.</summary>
internal readonly unsafe struct Long : IWidth
{
    public static bool Holds<TPower>(double sum, long count)
        where TPower : struct, IPower => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Add<TElement, TPower>(byte* p, TPower power, ref LaneSums sums, ref Vector256<ushort> seen)
        where TElement : struct, IElement
        where TPower : struct, IPower
    {
        var (first, second) = TElement.Load(p, ref seen);
        (first, second) = (Scaled.By<TElement>(first), Scaled.By<TElement>(second));
        sums.A = power.AddTo(sums.A, Vector256.WidenLower(first));
        sums.B = power.AddTo(sums.B, Vector256.WidenUpper(first));
        sums.C = power.AddTo(sums.C, Vector256.WidenLower(second));
        sums.D = power.AddTo(sums.D, Vector256.WidenUpper(second));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddFour<TElement, TPower>(byte* p, nint step, TPower power, ref LaneSums sums, ref Vector256<ushort> seen)
        where TElement : struct, IElement
        where TPower : struct, IPower
    {
        for (var i = 0; i < 4; i++, p += step)
            Add<TElement, TPower>(p, power, ref sums, ref seen);
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
