namespace FilterPruning.Kernels;

/// <summary>
/// Reduces a weight to one norm for each filter, in one pass over its memory in the order in which it lies, on one thread or several. Allocates nothing.
/// </summary>
/// <remarks>
/// Long runs are summed filter by filter. Short ones (the nine numbers of a 3×3 kernel, the single one of a linear layer's input channel) are added row by row into sums of all their columns,
/// a tile at a time, and folded at the end. Which way is taken, and every sum's order, depends on the layout alone: any number of threads gives the same bits.
/// </remarks>
internal static unsafe class FilterReduction<TElement, TPower>
    where TElement : struct, IElement
    where TPower : unmanaged, IPower
{
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
        var least = PartsOf(PowerSum<TElement, TPower>.Lanes, run);
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
                sums[f] += PowerSum<TElement, TPower>.OfRun(p, layout.Run, task.Power);
        }

        for (var f = 0; f < filters; f++)
            task.Norms[first + f] = (float)task.Power.Root(sums[f]);
    }

    private static void ReduceColumns(int part, void* state)
    {
        ref var task = ref *(ReductionTask*)state;
        ref readonly var layout = ref task.Layout;
        var (first, filters) = task.Share(part);
        var columns = filters * (int)layout.Run;
        var sums = stackalloc double[columns + PowerSum<TElement, TPower>.Lanes];
        var lanes = columns >= PowerSum<TElement, TPower>.Lanes && AddTile(task, first, columns, sums, plain: false);
        if (!lanes)
            AddTile(task, first, columns, sums, plain: true);

        for (var f = 0; f < filters; f++)
        {
            double sum = 0;
            for (var c = f * (int)layout.Run; c < (f + 1) * (int)layout.Run; c++)
                sum += sums[lanes ? PowerSum<TElement, TPower>.SumOf(c, columns) : c];
            task.Norms[first + f] = (float)task.Power.Root(sum);
        }
    }

    private static bool AddTile(in ReductionTask task, int first, int columns, double* sums, bool plain)
    {
        ref readonly var layout = ref task.Layout;
        new Span<double>(sums, columns + PowerSum<TElement, TPower>.Lanes).Clear();
        var step = (nint)layout.RowStride * TElement.Bytes;
        for (long group = 0; group < layout.Runs / layout.Rows; group++)
        {
            var p = task.Weight + ((layout.Offset(group, groups: true) + (first * layout.FilterStride)) * TElement.Bytes);
            if (plain)
                PowerSum<TElement, TPower>.AddRowsPlain(p, layout.Rows, step, columns, sums, task.Power);
            else if (!PowerSum<TElement, TPower>.AddRows(p, layout.Rows, step, columns, sums, task.Power))
                return false;
        }

        return true;
    }

    private struct ReductionTask
    {
        public byte* Weight;
        public FilterLayout Layout;
        public float* Norms;
        public TPower Power;
        public int Parts;

        /// <summary>The filters of one part; parts differ by one filter at most.</summary>
        public readonly (int First, int Count) Share(int part)
        {
            var first = (int)((long)part * Layout.Filters / Parts);
            return (first, (int)((part + 1L) * Layout.Filters / Parts) - first);
        }
    }
}
