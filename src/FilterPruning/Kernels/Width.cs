using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace FilterPruning.Kernels;

/// <summary>
/// In which precision powers are taken. They are added to sixteen sums in double precision, one for each lane of a pair: a run of numbers folds them at its end, rows of many filters keep them apart.
/// </summary>
internal unsafe interface IWidth
{
    /// <summary>Columns that are added at once: eight vectors of sums.</summary>
    const int Block = 64;

    /// <summary>Numbers of one run that are added at once: eight to a lane.</summary>
    const int Many = 128;

    /// <summary>Whether the sum of <paramref name="count"/> powers shows that all of them were right. Where it does not, it has to be taken again at full length.</summary>
    static abstract bool Holds<TElement, TPower>(double sum, long count, TPower power)
        where TElement : struct, IElement
        where TPower : struct, IPower;

    /// <summary>Adds sixteen numbers.</summary>
    static abstract void Add<TElement, TPower>(byte* p, TPower power, ref LaneSums sums)
        where TElement : struct, IElement
        where TPower : struct, IPower;

    /// <summary>Adds eight rows of sixteen numbers, <paramref name="step"/> bytes apart, each row to the ones before.</summary>
    static abstract void AddEightRows<TElement, TPower>(byte* p, nint step, TPower power, ref LaneSums sums)
        where TElement : struct, IElement
        where TPower : struct, IPower;

    /// <summary>
    /// <see cref="AddEightRows"/> for <see cref="Block"/> columns, with the same bits: what is read in one place is long enough for the processor to fetch ahead, and short enough for registers to
    /// hold its sums.
    /// </summary>
    /// <param name="p">The first row's numbers.</param>
    /// <param name="step">Bytes from row to row.</param>
    /// <param name="power">What a number counts.</param>
    /// <param name="sums">[<see cref="Block"/>], in the order of lanes.</param>
    static abstract void AddBlock<TElement, TPower>(byte* p, nint step, TPower power, double* sums)
        where TElement : struct, IElement
        where TPower : struct, IPower;

    /// <summary>Adds <see cref="Many"/> numbers that lie side by side, to lanes that follow no order.</summary>
    static abstract void AddMany<TElement, TPower>(byte* p, TPower power, ref LaneSums sums)
        where TElement : struct, IElement
        where TPower : struct, IPower;
}

/// <summary>
/// Powers in single precision, eight added there before they go to a double sum. A power's products and those additions, at most seven deep, round by at most 2⁻²⁴ each (seven roundings for p = 1,
/// eight for p = ½ and 2, twelve for p = 6), and no term is negative: the norm's error, 1/p of that, is below 1e-6, relative, as long as <see cref="Holds"/>.
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

    // Types of two bytes take up to nine instructions for sixteen numbers. 512 bits halve them, so that the processor sees twice as many loads ahead: half precision is a tenth faster, float32 would
    // be a little slower. Asked by type, which leaves the compiler only one of the two ways to look at.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddMany<TElement, TPower>(byte* p, TPower power, ref LaneSums sums)
        where TElement : struct, IElement
        where TPower : struct, IPower
    {
        if (typeof(TElement) == typeof(SingleElement))
        {
            nint step = 16 * TElement.Bytes;
            var (a, b) = OfFour<TElement, TPower>(p, step, power);
            var (c, d) = OfFour<TElement, TPower>(p + (4 * step), step, power);
            sums.Add(a + c, b + d);
        }
        else
        {
            nint step = 32 * TElement.Bytes;
            var (a, b) = TElement.LoadWide(p);
            var (c, d) = TElement.LoadWide(p + step);
            var (e, f) = TElement.LoadWide(p + (2 * step));
            var (g, h) = TElement.LoadWide(p + (3 * step));
            var first = power.AddTo<TElement>(power.AddTo<TElement>(power.AddTo<TElement>(power.Raise<TElement>(a), c), e), g);
            var second = power.AddTo<TElement>(power.AddTo<TElement>(power.AddTo<TElement>(power.Raise<TElement>(b), d), f), h);
            sums.Add(first.GetLower() + first.GetUpper(), second.GetLower() + second.GetUpper());
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddEightRows<TElement, TPower>(byte* p, nint step, TPower power, ref LaneSums sums)
        where TElement : struct, IElement
        where TPower : struct, IPower
    {
        var (a, b) = First<TElement, TPower>(p, power);
        for (var row = 1; row < 8; row++)
        {
            p += step;
            var (x, y) = TElement.Load(p);
            a = power.AddTo<TElement>(a, x);
            b = power.AddTo<TElement>(b, y);
        }

        sums.Add(a, b);
    }

    // Local variables and no array: the compiler keeps those in registers.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddBlock<TElement, TPower>(byte* p, nint step, TPower power, double* sums)
        where TElement : struct, IElement
        where TPower : struct, IPower
    {
        nint next = 16 * TElement.Bytes;
        var (a, b) = First<TElement, TPower>(p, power);
        var (c, d) = First<TElement, TPower>(p + next, power);
        var (e, f) = First<TElement, TPower>(p + (2 * next), power);
        var (g, h) = First<TElement, TPower>(p + (3 * next), power);
        for (var row = 1; row < 8; row++)
        {
            p += step;
            var (x, y) = TElement.Load(p);
            a = power.AddTo<TElement>(a, x);
            b = power.AddTo<TElement>(b, y);
            (x, y) = TElement.Load(p + next);
            c = power.AddTo<TElement>(c, x);
            d = power.AddTo<TElement>(d, y);
            (x, y) = TElement.Load(p + (2 * next));
            e = power.AddTo<TElement>(e, x);
            f = power.AddTo<TElement>(f, y);
            (x, y) = TElement.Load(p + (3 * next));
            g = power.AddTo<TElement>(g, x);
            h = power.AddTo<TElement>(h, y);
        }

        AddTo(sums, a);
        AddTo(sums + 8, b);
        AddTo(sums + 16, c);
        AddTo(sums + 24, d);
        AddTo(sums + 32, e);
        AddTo(sums + 40, f);
        AddTo(sums + 48, g);
        AddTo(sums + 56, h);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddTo(double* sums, Vector256<float> x)
    {
        Vector256.Store(Vector256.Load(sums) + Vector256.WidenLower(x), sums);
        Vector256.Store(Vector256.Load(sums + 4) + Vector256.WidenUpper(x), sums + 4);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector256<float> First, Vector256<float> Second) First<TElement, TPower>(byte* p, TPower power)
        where TElement : struct, IElement
        where TPower : struct, IPower
    {
        var (a, b) = TElement.Load(p);
        return (power.Raise<TElement>(a), power.Raise<TElement>(b));
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
    public static void AddEightRows<TElement, TPower>(byte* p, nint step, TPower power, ref LaneSums sums)
        where TElement : struct, IElement
        where TPower : struct, IPower
    {
        for (var i = 0; i < 8; i++, p += step)
            Add<TElement, TPower>(p, power, ref sums);
    }

    public static void AddBlock<TElement, TPower>(byte* p, nint step, TPower power, double* sums)
        where TElement : struct, IElement
        where TPower : struct, IPower
    {
        for (var c = 0; c < IWidth.Block; c += 16)
        {
            var lanes = LaneSums.Load(sums + c);
            AddEightRows<TElement, TPower>(p + (c * TElement.Bytes), step, power, ref lanes);
            lanes.Store(sums + c);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddMany<TElement, TPower>(byte* p, TPower power, ref LaneSums sums)
        where TElement : struct, IElement
        where TPower : struct, IPower => AddEightRows<TElement, TPower>(p, 16 * TElement.Bytes, power, ref sums);
}

/// <summary>Sixteen sums in double precision. Four fields, because the compiler keeps up to four in registers.</summary>
internal unsafe struct LaneSums
{
    public Vector256<double> A, B, C, D;

    /// <summary>All sixteen together.</summary>
    public readonly double Total => Vector256.Sum((A + B) + (C + D));

    /// <summary>Sixteen sums from memory.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static LaneSums Load(double* sums) =>
        new() { A = Vector256.Load(sums), B = Vector256.Load(sums + 4), C = Vector256.Load(sums + 8), D = Vector256.Load(sums + 12) };

    /// <summary>Writes them there.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly void Store(double* sums)
    {
        Vector256.Store(A, sums);
        Vector256.Store(B, sums + 4);
        Vector256.Store(C, sums + 8);
        Vector256.Store(D, sums + 12);
    }

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
