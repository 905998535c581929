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

    // Sums on the stack: 128 kB. Rows are read from end to end wherever that is enough: where pieces of rows are left out, memory is a third slower.
    private const int TileColumns = 16384;

    private const int Line = 64;  // bytes

    // Smaller weights come from a cache, where one place is as good as four.
    private const long ManyPlacesBytes = 128 << 10;

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

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ReduceRuns(int part, void* state)
    {
        ref var task = ref *(ReductionTask*)state;
        ref readonly var layout = ref task.Layout;
        var (first, filters) = task.Share(part);
        var sums = stackalloc double[filters];
        new Span<double>(sums, filters).Clear();
        var stride = (nint)layout.FilterStride * TElement.Bytes;
        for (long run = 0; run < layout.Runs; run++)
            AddRuns(task.Weight + (layout.Offset(run) * TElement.Bytes) + (first * stride), stride, layout.Run, filters, sums, task.Power);
        for (var f = 0; f < filters; f++)
            task.Norms[first + f] = (float)task.Power.Root(sums[f]);
    }

    // One run of each filter. Large weights are read in four places at once: four quarters of the filters side by side.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddRuns(byte* p, nint stride, long length, int filters, double* sums, TPower power)
    {
        var quarter = filters * length * TElement.Bytes >= ManyPlacesBytes ? filters / 4 : 0;
        var four = stackalloc double[4];
        for (var f = 0; f < quarter; f++)
        {
            PowerSum<TElement, TPower, TWidth>.OfFourRuns(p + (f * stride), quarter * stride, length, power, four);
            for (var i = 0; i < 4; i++)
            {
                var filter = f + (i * quarter);
                sums[filter] += Checked(four[i], p + (filter * stride), length, power);
            }
        }

        for (var f = 4 * quarter; f < filters; f++)
        {
            var run = p + (f * stride);
            sums[f] += Checked(PowerSum<TElement, TPower, TWidth>.OfRun(run, length, power), run, length, power);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static double Checked(double sum, byte* run, long length, TPower power) =>
        TWidth.Holds<TElement, TPower>(sum, length, power) ? sum : PowerSum<TElement, TPower, Long>.OfRun(run, length, power);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ReduceColumns(int part, void* state)
    {
        ref var task = ref *(ReductionTask*)state;
        var (first, filters) = task.Share(part);
        var run = (int)task.Layout.Run;
        var columns = filters * run;
        var place = stackalloc double[columns + Lanes + (Line / sizeof(double))];
        var sums = Aligned(place);
        if (columns < Lanes)
        {
            SumPlain(task, first, columns, sums);
        }
        else
        {
            Sum<TWidth>(task, first, columns, sums);
            if (!AllHold(sums, columns, task.Layout.Runs, task.Power))
                Repair(task, first, columns, sums);
        }

        Fold(sums, run, task.Norms + first, filters, task.Power);
    }

    // [filters · run] → [filters]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Fold(double* sums, int run, float* norms, int filters, TPower power)
    {
        if (run == 1)
        {
            for (var f = 0; f < filters; f++)
                norms[f] = (float)power.Root(sums[f]);
            return;
        }

        for (var f = 0; f < filters; f++, sums += run)
        {
            var sum = sums[0];
            for (var c = 1; c < run; c++)
                sum += sums[c];
            norms[f] = (float)power.Root(sum);
        }
    }

    // Sums that straddle cache lines cost twice.
    private static double* Aligned(double* sums) => (double*)(((nint)sums + Line - 1) / Line * Line);

    // Replaces the sums of those columns that need it, and no others: a column's sum must not depend on what is summed beside it.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Repair(in ReductionTask task, int first, int columns, double* sums)
    {
        var place = stackalloc double[columns + Lanes + (Line / sizeof(double))];
        var others = Aligned(place);
        Sum<Long>(task, first, columns, others);
        for (var c = 0; c < columns; c++)
            sums[c] = TWidth.Holds<TElement, TPower>(sums[c], task.Layout.Runs, task.Power) ? sums[c] : others[c];
    }

    private static bool AllHold(double* sums, int columns, long rows, TPower power)
    {
        if (typeof(TWidth) == typeof(Long) || (TPower.FitsSingle && double.IsPositiveInfinity(TElement.Ceiling)))
            return true;
        for (var c = 0; c < columns; c++)
        {
            if (!TWidth.Holds<TElement, TPower>(sums[c], rows, power))
                return false;
        }

        return true;
    }

    private static void Sum<TSomeWidth>(in ReductionTask task, int first, int columns, double* sums)
        where TSomeWidth : struct, IWidth
    {
        ref readonly var layout = ref task.Layout;
        new Span<double>(sums, columns + Lanes).Clear();
        for (long group = 0; group < layout.Runs / layout.Rows; group++)
            PowerSum<TElement, TPower, TSomeWidth>.AddRows(task.Group(group, first), layout.Rows, task.RowStep, columns, sums, task.Power);
        PowerSum<TElement, TPower, TSomeWidth>.Order(sums, columns);
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
