using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace FilterPruning.Kernels;

/// <summary>
/// The two loops all norms are made of: along a run of numbers that belong to one filter, and across rows in which neighbours belong to different ones.
/// Compiled at once in full: weights are scored once, and code that has yet to warm up is ten times slower.
/// </summary>
/// <remarks>The result of a run depends on its numbers alone, that of a column on its rows alone: not on what is summed beside them.</remarks>
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
        nint step = Lanes * TElement.Bytes;
        var at = p;
        var left = n;
        for (; left >= IWidth.Many; left -= IWidth.Many, at += IWidth.Many * TElement.Bytes)
            TWidth.AddMany<TElement, TPower>(at, power, ref sums);
        for (; left >= Lanes; left -= Lanes, at += step)
            TWidth.Add<TElement, TPower>(at, power, ref sums);
        return left == 0 ? sums.Total : sums.Total + OfRest(at, (int)left, power);
    }

    /// <summary>
    /// Four runs at once, half a kilobyte of each in turn, each with the bits of <see cref="OfRun"/>. Memory is faster when it is read in four places: the processor fetches ahead in each of them.
    /// </summary>
    /// <param name="p">The first run.</param>
    /// <param name="apart">Bytes from run to run.</param>
    /// <param name="n">The length of each.</param>
    /// <param name="power">What a number counts.</param>
    /// <param name="results">Takes the four sums.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void OfFourRuns(byte* p, nint apart, long n, TPower power, double* results)
    {
        nint step = Lanes * TElement.Bytes;
        var four = stackalloc double[4 * Lanes];
        new Span<double>(four, 4 * Lanes).Clear();
        var turn = 4 / TElement.Bytes * IWidth.Many;
        var left = n;
        for (; left >= turn; left -= turn, p += turn * TElement.Bytes)
        {
            for (nint run = 0; run < 4; run++)
            {
                var sums = LaneSums.Load(four + (run * Lanes));
                for (var at = 0; at < turn; at += IWidth.Many)
                    TWidth.AddMany<TElement, TPower>(p + (run * apart) + (at * TElement.Bytes), power, ref sums);
                sums.Store(four + (run * Lanes));
            }
        }

        for (nint run = 0; run < 4; run++)
        {
            var sums = LaneSums.Load(four + (run * Lanes));
            var at = p + (run * apart);
            var rest = left;
            for (; rest >= IWidth.Many; rest -= IWidth.Many, at += IWidth.Many * TElement.Bytes)
                TWidth.AddMany<TElement, TPower>(at, power, ref sums);
            for (; rest >= Lanes; rest -= Lanes, at += step)
                TWidth.Add<TElement, TPower>(at, power, ref sums);
            results[run] = rest == 0 ? sums.Total : sums.Total + OfRest(at, (int)rest, power);
        }
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
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void AddRows(byte* p, long rows, nint step, int columns, double* sums, TPower power)
    {
        // Eight rows at once, an eighth of all rows apart: eight long stretches of memory, in each of which the processor fetches ahead. Rows that are neighbours would be eight short ones.
        var apart = rows / 8;
        var far = (nint)apart * step;
        for (long turn = 0; turn < apart; turn++, p += step)
        {
            var c = 0;
            for (; c <= columns - IWidth.Block; c += IWidth.Block)
                TWidth.AddBlock<TElement, TPower>(p + (c * TElement.Bytes), far, power, sums + c);

            // Where sixteen do not go into the columns, the last sixteen overlap those before.
            for (; c < columns; c += Lanes)
            {
                var lanes = LaneSums.Load(sums + c);
                TWidth.AddEightRows<TElement, TPower>(p + (Math.Min(c, columns - Lanes) * TElement.Bytes), far, power, ref lanes);
                lanes.Store(sums + c);
            }
        }

        p += 7 * far;
        rows -= 8 * apart;
        for (var c = 0; rows > 0 && c < columns; c += Lanes)
        {
            var lanes = LaneSums.Load(sums + c);
            var at = p + (Math.Min(c, columns - Lanes) * TElement.Bytes);
            for (var row = 0; row < rows; row++, at += step)
                TWidth.Add<TElement, TPower>(at, power, ref lanes);
            lanes.Store(sums + c);
        }
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

    // Less than sixteen numbers: among zeros, which add nothing, they are sixteen. Apart from the loop, whose sums stay in registers.
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static double OfRest(byte* p, int n, TPower power)
    {
        var padded = Vector512<byte>.Zero;
        Unsafe.CopyBlockUnaligned(&padded, p, (uint)(n * TElement.Bytes));
        var sums = default(LaneSums);
        TWidth.Add<TElement, TPower>((byte*)&padded, power, ref sums);
        return sums.Total;
    }
}
