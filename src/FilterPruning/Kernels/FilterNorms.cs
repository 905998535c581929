using System.Numerics;
using System.Runtime.CompilerServices;
using FilterPruning.Storage;

namespace FilterPruning.Kernels;

/// <summary>
/// Norms of the filters of a weight: one number for each index along an axis, over all other axes. Contiguous float32 weights on the CPU are read once, in
/// vectors, with double accumulators and on one thread; anything else goes through libtorch's operators in double precision. Either way each result is within 1e-6 of the true norm, relative.
/// </summary>
public static class FilterNorms
{
    // Accumulators of a tile of filters on the stack: 8 kB, a quarter of a small first-level cache.
    private const int Tile = 1024;

    /// <summary>The sum of magnitudes of each filter (Li et al., "Pruning Filters for Efficient ConvNets", 2017).</summary>
    /// <param name="weight">Any real floating weight of at least one dimension, on any device; not changed.</param>
    /// <param name="filterAxis">The axis along which filters are counted; negative counts from the end.</param>
    /// <returns>float32 [filters] on the CPU; the caller owns it.</returns>
    /// <exception cref="ArgumentException">The weight has no dimensions or is not of a floating type.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The weight has no such axis.</exception>
    public static Tensor L1(Tensor weight, int filterAxis = 0) => Norms(weight, filterAxis, squares: false);

    /// <summary>The Euclidean norm of each filter.</summary>
    /// <param name="weight">Any real floating weight of at least one dimension, on any device; not changed.</param>
    /// <param name="filterAxis">The axis along which filters are counted; negative counts from the end.</param>
    /// <returns>float32 [filters] on the CPU; the caller owns it.</returns>
    /// <exception cref="ArgumentException">The weight has no dimensions or is not of a floating type.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The weight has no such axis.</exception>
    public static Tensor L2(Tensor weight, int filterAxis = 0) => Norms(weight, filterAxis, squares: true);

    /// <summary>Whether the weight takes the vector path.</summary>
    internal static bool IsFast(Tensor weight) =>
        weight.dtype == ScalarType.Float32 && weight.device_type == DeviceType.CPU && !weight.is_sparse && weight.is_contiguous();

    /// <summary>The norms of a weight laid out as [outer, filters, inner]. Allocates nothing.</summary>
    internal static unsafe void Reduce(float* weight, long outer, long inner, Span<float> norms, bool squares)
    {
        Span<double> sums = stackalloc double[Tile];
        for (var first = 0; first < norms.Length; first += Tile)
        {
            var tile = sums[..Math.Min(Tile, norms.Length - first)];
            tile.Clear();
            for (long o = 0; o < outer; o++)
            {
                var row = weight + (((o * norms.Length) + first) * inner);
                if (inner == 1)
                    AddRow(row, tile, squares);
                else
                    AddBlocks(row, inner, tile, squares);
            }

            for (var f = 0; f < tile.Length; f++)
                norms[first + f] = (float)(squares ? Math.Sqrt(tile[f]) : tile[f]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static unsafe void AddBlocks(float* row, long inner, Span<double> sums, bool squares)
    {
        for (var f = 0; f < sums.Length; f++)
            sums[f] += squares ? SquareSum.Of(row + (f * inner), inner) : AbsoluteSum.Of(row + (f * inner), inner);
    }

    // One number of each filter: lanes are filters. The rest that fills no vector goes one by one.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static unsafe void AddRow(float* row, Span<double> sums, bool squares)
    {
        var lanes = Vector<float>.Count;
        var f = 0;
        fixed (double* sum = sums)
        {
            for (; f <= sums.Length - lanes; f += lanes)
            {
                Vector.Widen(Vector.Load(row + f), out var low, out var high);
                Vector.Store(Vector.Load(sum + f) + (squares ? low * low : Vector.Abs(low)), sum + f);
                Vector.Store(Vector.Load(sum + f + (lanes / 2)) + (squares ? high * high : Vector.Abs(high)), sum + f + (lanes / 2));
            }
        }

        for (; f < sums.Length; f++)
            sums[f] += squares ? (double)row[f] * row[f] : Math.Abs(row[f]);
    }

    private static Tensor Norms(Tensor weight, int filterAxis, bool squares)
    {
        ArgumentNullException.ThrowIfNull(weight);
        var rank = (int)weight.dim();
        if (rank == 0 || !weight.is_floating_point())
            throw new ArgumentException($"The weight is {weight.dtype} with {rank} dimensions; a floating weight of at least one dimension is needed.", nameof(weight));
        var axis = filterAxis < 0 ? filterAxis + rank : filterAxis;
        if (axis < 0 || axis >= rank)
            throw new ArgumentOutOfRangeException(nameof(filterAxis), filterAxis, $"The weight has {rank} dimensions; the filter axis must be from {-rank} to {rank - 1}.");

        // The vector path makes no tensor but its result, so it needs no scope of its own.
        return IsFast(weight) ? Fast(weight, axis, squares) : ByOperators(weight, axis, squares);
    }

    private static unsafe Tensor Fast(Tensor weight, int axis, bool squares)
    {
        long outer = 1, inner = 1;
        for (var i = 0; i < axis; i++)
            outer *= weight.size(i);
        for (var i = axis + 1; i < weight.dim(); i++)
            inner *= weight.size(i);

        var norms = empty(weight.size(axis), ScalarType.Float32, CPU);
        Reduce((float*)TensorMemory.Pointer(weight), outer, inner, new Span<float>(TensorMemory.Pointer(norms), (int)norms.numel()), squares);
        GC.KeepAlive(weight);
        return norms;
    }

    private static Tensor ByOperators(Tensor weight, int axis, bool squares)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();

        // [..., filters, ...] → [filters, rest]
        var filters = weight.size(axis);
        var rows = weight.detach().to(ScalarType.Float64).movedim([axis], [0]).reshape(filters, filters == 0 ? 0 : weight.numel() / filters);
        var norms = squares ? rows.square().sum(1).sqrt() : rows.abs().sum(1);
        return norms.to(ScalarType.Float32).cpu().MoveToOuterDisposeScope();
    }
}
