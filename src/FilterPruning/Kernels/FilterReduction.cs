using System.Runtime.CompilerServices;

namespace FilterPruning.Kernels;

/// <summary>
/// Reduces a weight to one norm for each filter, in one pass over its memory in the order in which it lies, on one thread or several. Allocates nothing.
/// </summary>
/// <remarks>
/// Long runs are summed filter by filter. Short ones (the nine numbers of a 3×3 kernel, the single one of a linear layer's input channel) are added row by row into sums of all their columns,
/// a tile at a time, and folded at the end. Powers are taken at the width that is asked for, and again in double precision where a sum shows that they left its range. Which way is taken, and every sum's order, depends on the layout alone: any number of threads gives the same bits.
/// </remarks>
internal static unsafe class FilterReduction<TElement, TPower, TWidth>
    where TElement : struct, IElement
    where TPower : unmanaged, IPower
    where TWidth : struct, IWidth
{
    private const int Lanes = PowerSum<TElement, TPower, TWidth>.Lanes;

    // Sums on the stack: 16 kB, so that they stay in the first-level cache beside the rows that pass through.
    private const int TileColumns = 2048;

    // Runs from this length on are summed one by one.
    private const int LongRun = 64;

    // A part of the work: large enough to be worth taking, small enough to balance threads that are disturbed.
    private const long PartBytes = 256 << 10;

    /// <summary>Weights below are not shared between threads: calling a helper would take longer than they do.</summary>
    public const long SharedBytes = 2 * PartBytes;

    /// <summary>Fills <paramref name="norms"/>, one for each filter.</summary>
    public static void Run(byte* weight, in FilterLayout layout, float* norms, TPower power, int threads)
    {
        var bytes = layout.Filters * layout.Length * TElement.Bytes;
        threads = (int)Math.Clamp(bytes / PartBytes, 1, Math.Max(1, threads));
        var byColumns = layout.IsRowOfFilters && layout.Run < LongRun && (layout.Run == 1 || layout.Rows >= 4);
        var task = new ReductionTask { Weight = weight, Layout = layout, Norms = norms, Power = power };
        task.Parts = byColumns ? PartsOfColumns(layout, threads) : PartsOfRuns(layout, bytes, threads);
        WorkSharing.Run(task.Parts, threads, byColumns ? &ReduceColumns : &ReduceRuns, &task);
    }

    // As many tiles as fill the threads equally, but none of fewer than sixteen columns, which could not be loaded at once.
    private static int PartsOfColumns(in FilterLayout layout, int threads)
    {
        var run = (int)layout.Run;
        var parts = PartsOf(layout.Filters, TileColumns / run);
        var least = PartsOf(Lanes, run);
        return Math.Clamp(PartsOf(parts, threads) * threads, 1, Math.Max(1, layout.Filters / least));
    }

    private static int PartsOfRuns(in FilterLayout layout, long bytes, int threads) =>
        (int)Math.Min(layout.Filters, Math.Max(PartsOf(layout.Filters, TileColumns), threads == 1 ? 1 : bytes / PartBytes));

    private static int PartsOf(int count, int size) => (count + size - 1) / size;

    private static void ReduceRuns(int part, void* state)
    {
        ref var task = ref *(ReductionTask*)state;
        ref readonly var layout = ref task.Layout;
        var (first, filters) = task.Share(part);
        var sums = stackalloc double[filters];
        new Span<double>(sums, filters).Clear();
        var stride = (nint)layout.FilterStride * TElement.Bytes;
        for (long run = 0; run < layout.Runs; run++)
        {
            var p = task.Weight + (layout.Offset(run) * TElement.Bytes) + (first * stride);
            for (var f = 0; f < filters; f++, p += stride)
                sums[f] += OfRun(p, layout.Run, task.Power);
        }

        for (var f = 0; f < filters; f++)
            task.Norms[first + f] = (float)task.Power.Root(sums[f]);
    }

    private static double OfRun(byte* p, long n, TPower power)
    {
        var sum = PowerSum<TElement, TPower, TWidth>.OfRun(p, n, power);
        return TWidth.Holds<TPower>(sum, n) ? sum : PowerSum<TElement, TPower, Long>.OfRun(p, n, power);
    }

    private static void ReduceColumns(int part, void* state)
    {
        ref var task = ref *(ReductionTask*)state;
        var (first, filters) = task.Share(part);
        var run = (int)task.Layout.Run;
        var columns = filters * run;
        var sums = stackalloc double[columns + Lanes];
        if (columns < Lanes)
            SumPlain(task, first, columns, sums);
        else if (!TrySum<TWidth>(task, first, columns, sums) || !AllHold(sums, columns, task.Layout.Runs))
            Repair(task, first, columns, sums);

        for (var f = 0; f < filters; f++, sums += run)
        {
            var sum = sums[0];
            for (var c = 1; c < run; c++)
                sum += sums[c];
            task.Norms[first + f] = (float)task.Power.Root(sum);
        }
    }

    // Replaces the sums of those columns that need it, and no others: a column's sum must not depend on what is summed beside it.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Repair(in ReductionTask task, int first, int columns, double* sums)
    {
        var others = stackalloc double[columns + Lanes];
        var missed = !TrySum<Long>(task, first, columns, others);
        for (var c = 0; c < columns; c++)
            sums[c] = TWidth.Holds<TPower>(sums[c], task.Layout.Runs) ? sums[c] : others[c];
        if (!missed)
            return;
        SumPlain(task, first, columns, others);
        for (var c = 0; c < columns; c++)
            sums[c] = double.IsFinite(others[c]) ? sums[c] : others[c];
    }

    private static bool AllHold(double* sums, int columns, long rows)
    {
        for (var c = 0; c < columns; c++)
        {
            if (!TWidth.Holds<TPower>(sums[c], rows))
                return false;
        }

        return true;
    }

    private static bool TrySum<TSomeWidth>(in ReductionTask task, int first, int columns, double* sums)
        where TSomeWidth : struct, IWidth
    {
        ref readonly var layout = ref task.Layout;
        new Span<double>(sums, columns + Lanes).Clear();
        var right = true;
        for (long group = 0; group < layout.Runs / layout.Rows; group++)
            right &= PowerSum<TElement, TPower, TSomeWidth>.AddRows(task.Group(group, first), layout.Rows, task.RowStep, columns, sums, task.Power);
        PowerSum<TElement, TPower, TSomeWidth>.Order(sums, columns);
        return right;
    }

    private static void SumPlain(in ReductionTask task, int first, int columns, double* sums)
    {
        ref readonly var layout = ref task.Layout;
        new Span<double>(sums, columns).Clear();
        for (long group = 0; group < layout.Runs / layout.Rows; group++)
            PowerSum<TElement, TPower, Long>.AddRowsPlain(task.Group(group, first), layout.Rows, task.RowStep, columns, sums, task.Power);
    }

    private struct ReductionTask
    {
        public byte* Weight;
        public FilterLayout Layout;
        public float* Norms;
        public TPower Power;
        public int Parts;

        /// <summary>Bytes from row to row.</summary>
        public readonly nint RowStep => (nint)Layout.RowStride * TElement.Bytes;

        /// <summary>Where a group of rows begins, at the first filter of a part.</summary>
        public readonly byte* Group(long group, int first) => Weight + ((Layout.Offset(group, groups: true) + (first * Layout.FilterStride)) * TElement.Bytes);

        /// <summary>The filters of one part; parts differ by one filter at most.</summary>
        public readonly (int First, int Count) Share(int part)
        {
            var first = (int)((long)part * Layout.Filters / Parts);
            return (first, (int)((part + 1L) * Layout.Filters / Parts) - first);
        }
    }
}
