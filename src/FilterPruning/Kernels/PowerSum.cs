using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace FilterPruning.Kernels;

/// <summary>
/// The two loops all norms are made of: along a run of numbers that belong to one filter, and across rows in which neighbours belong to different ones.
/// Compiled at once in full: weights are scored once, and code that has yet to warm up is ten times slower.
/// </summary>
/// <remarks>NaN and infinity come through as in the plain loop. The result of a run depends on its numbers alone, that of a column on its rows alone: not on what is summed beside them.</remarks>
internal static unsafe class PowerSum<TElement, TPower, TWidth>
    where TElement : struct, IElement
    where TPower : struct, IPower
    where TWidth : struct, IWidth
{
    /// <summary>How many numbers are loaded at once.</summary>
    public const int Lanes = 16;

    /// <summary>The sum over <paramref name="n"/> numbers, from 0 on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static double OfRun(byte* p, long n, TPower power)
    {
        var sums = default(LaneSums);
        var seen = Vector256<ushort>.Zero;
        nint step = Lanes * TElement.Bytes;
        var at = p;
        var left = n;
        for (; left >= 4 * Lanes; left -= 4 * Lanes, at += 4 * step)
            TWidth.AddFour<TElement, TPower>(at, step, power, ref sums, ref seen);
        for (; left >= Lanes; left -= Lanes, at += step)
            TWidth.Add<TElement, TPower>(at, power, ref sums, ref seen);
        if (TElement.HasMissed(seen))
            return OfRunPlain(p, n, power);
        return left == 0 ? sums.Total : sums.Total + OfRest(at, (int)left, power);
    }

    /// <summary>The reference: number after number, in double precision.</summary>
    public static double OfRunPlain(byte* p, long n, TPower power)
    {
        double sum = 0;
        for (long i = 0; i < n; i++)
            sum += power.Of(TElement.Magnitude(p + (i * TElement.Bytes)));
        return sum;
    }

    /// <summary>
    /// Adds <paramref name="rows"/> rows to the sums of their columns. Each row's columns lie side by side; there are at least sixteen of them.
    /// </summary>
    /// <param name="p">The first row.</param>
    /// <param name="rows">The number of rows.</param>
    /// <param name="step">Bytes from row to row.</param>
    /// <param name="columns">The number of columns.</param>
    /// <param name="sums">[<paramref name="columns"/> + 16], in the order of lanes until <see cref="Order"/>.</param>
    /// <param name="power">What a number counts.</param>
    /// <returns>False when the sums are worthless, because a value was among the numbers that only <see cref="AddRowsPlain"/> gets right.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static bool AddRows(byte* p, long rows, nint step, int columns, double* sums, TPower power)
    {
        var seen = Vector256<ushort>.Zero;
        var full = columns / Lanes * Lanes;
        nint last = (columns - Lanes) * TElement.Bytes;  // the last sixteen columns once more, where sixteen do not go into them
        for (; rows >= 4; rows -= 4, p += 4 * step)
        {
            for (var c = 0; c < full; c += Lanes)
                AddFour(p + (c * TElement.Bytes), step, sums + c, power, ref seen);
            if (full < columns)
                AddFour(p + last, step, sums + full, power, ref seen);
        }

        for (; rows > 0; rows--, p += step)
        {
            for (var c = 0; c < full; c += Lanes)
                AddOne(p + (c * TElement.Bytes), sums + c, power, ref seen);
            if (full < columns)
                AddOne(p + last, sums + full, power, ref seen);
        }

        return !TElement.HasMissed(seen);
    }

    /// <summary>The reference for <see cref="AddRows"/>, with the sums in the columns' order; also for less than sixteen columns.</summary>
    public static void AddRowsPlain(byte* p, long rows, nint step, int columns, double* sums, TPower power)
    {
        for (; rows > 0; rows--, p += step)
            for (var c = 0; c < columns; c++)
                sums[c] += power.Of(TElement.Magnitude(p + (c * TElement.Bytes)));
    }

    /// <summary>Puts the sums of <see cref="AddRows"/> into the columns' order; <paramref name="columns"/> of them are left.</summary>
    public static void Order(double* sums, int columns)
    {
        var full = columns / Lanes * Lanes;
        var lanes = stackalloc double[Lanes];
        for (var window = 0; !TElement.IsInOrder && window < columns; window += Lanes)
        {
            new ReadOnlySpan<double>(sums + window, Lanes).CopyTo(new Span<double>(lanes, Lanes));
            for (var i = 0; i < Lanes; i++)
                sums[window + i] = lanes[TElement.Place(i)];
        }

        // The last window began earlier, so that it ended with the last column.
        var rest = columns - full;
        new ReadOnlySpan<double>(sums + full + Lanes - rest, rest).CopyTo(new Span<double>(sums + full, rest));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddFour(byte* p, nint step, double* sums, TPower power, ref Vector256<ushort> seen)
    {
        var lanes = Load(sums);
        TWidth.AddFour<TElement, TPower>(p, step, power, ref lanes, ref seen);
        Store(lanes, sums);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddOne(byte* p, double* sums, TPower power, ref Vector256<ushort> seen)
    {
        var lanes = Load(sums);
        TWidth.Add<TElement, TPower>(p, power, ref lanes, ref seen);
        Store(lanes, sums);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static LaneSums Load(double* sums) =>
        new() { A = Vector256.Load(sums), B = Vector256.Load(sums + 4), C = Vector256.Load(sums + 8), D = Vector256.Load(sums + 12) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(in LaneSums lanes, double* sums)
    {
        Vector256.Store(lanes.A, sums);
        Vector256.Store(lanes.B, sums + 4);
        Vector256.Store(lanes.C, sums + 8);
        Vector256.Store(lanes.D, sums + 12);
    }

    // Less than sixteen numbers: among zeros, which add nothing, they are sixteen. Apart from the loop, whose sums stay in registers.
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static double OfRest(byte* p, int n, TPower power)
    {
        var padded = Vector512<byte>.Zero;
        Unsafe.CopyBlockUnaligned(&padded, p, (uint)(n * TElement.Bytes));
        var sums = default(LaneSums);
        var seen = Vector256<ushort>.Zero;
        TWidth.Add<TElement, TPower>((byte*)&padded, power, ref sums, ref seen);
        return TElement.HasMissed(seen) ? OfRunPlain(p, n, power) : sums.Total;
    }
}
