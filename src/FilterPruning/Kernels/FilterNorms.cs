using FilterPruning.Criteria;

namespace FilterPruning.Kernels;

/// <summary>
/// Norms of the filters of a weight: one number for each index along an axis, over all other axes. Weights of type float32, float16 and bfloat16 on the CPU are read once, in vectors, where they lie:
/// contiguous, transposed, channels-last or sliced. Everything else (float64, other devices, weights in which no two neighbours lie side by side, exponents above 6) goes through libtorch's operators.
/// Either way each result is within 1e-6 of the true norm, relative.
/// </summary>
/// <remarks>
/// <para>Weights of more than half a megabyte are shared between as many threads as libtorch may use (<see cref="get_num_threads"/>); the result has the same bits with any number of them.</para>
/// <para>NaN in a filter gives NaN, infinity gives infinity; both leave the other filters alone. Thread-safe. The overloads that fill a span allocate no managed memory on the vector path.</para>
/// </remarks>
public static class FilterNorms
{
    // Above, powers of float32's largest and smallest numbers leave the range of double precision.
    private const double LargestPower = 6;

    /// <summary>The sum of magnitudes of each filter (Li et al., "Pruning Filters for Efficient ConvNets", 2017).</summary>
    /// <param name="weight">Any real floating weight of at least one dimension, on any device; not changed.</param>
    /// <param name="filterAxis">The axis along which filters are counted; negative counts from the end.</param>
    /// <returns>float32 [filters] on the CPU; the caller owns it.</returns>
    /// <exception cref="ArgumentException">The weight has no dimensions or is not of a floating type.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The weight has no such axis.</exception>
    public static Tensor L1(Tensor weight, int filterAxis = 0) => Lp(weight, 1, filterAxis);

    /// <summary>The Euclidean norm of each filter.</summary>
    /// <inheritdoc cref="L1(Tensor, int)"/>
    public static Tensor L2(Tensor weight, int filterAxis = 0) => Lp(weight, 2, filterAxis);

    /// <summary>The p-norm of each filter, (Σ |w|ᵖ)^(1/p). Multiples of ½ up to 6 are as good as free; other exponents cost a logarithm and an exponential for each number.</summary>
    /// <param name="weight">Any real floating weight of at least one dimension, on any device; not changed.</param>
    /// <param name="p">The exponent: above 0; positive infinity takes the largest magnitude.</param>
    /// <param name="filterAxis">The axis along which filters are counted; negative counts from the end.</param>
    /// <returns>float32 [filters] on the CPU; the caller owns it.</returns>
    /// <exception cref="ArgumentException">The weight has no dimensions or is not of a floating type.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The weight has no such axis, or the exponent is not above 0.</exception>
    public static unsafe Tensor Lp(Tensor weight, double p, int filterAxis = 0)
    {
        var (type, axis) = Check(weight, p, filterAxis);

        // The vector path makes no tensor but its result, so it needs no scope of its own.
        if (!TryLayout(weight, type, axis, p, out var layout))
            return ByOperators(weight, axis, p);
        var norms = empty(layout.Filters, ScalarType.Float32, CPU);
        Reduce(weight, type, layout, (float*)TensorAddress.Of(norms), p);
        return norms;
    }

    /// <summary>The sum of magnitudes of each filter, into the caller's memory.</summary>
    /// <param name="weight">Any real floating weight of at least one dimension, on any device; not changed.</param>
    /// <param name="norms">Takes one number for each filter.</param>
    /// <param name="filterAxis">The axis along which filters are counted; negative counts from the end.</param>
    /// <exception cref="ArgumentException">The weight has no dimensions or is not of a floating type, or the span has another length than the weight has filters.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The weight has no such axis.</exception>
    public static void L1(Tensor weight, Span<float> norms, int filterAxis = 0) => Lp(weight, 1, norms, filterAxis);

    /// <summary>The Euclidean norm of each filter, into the caller's memory.</summary>
    /// <inheritdoc cref="L1(Tensor, Span{float}, int)"/>
    public static void L2(Tensor weight, Span<float> norms, int filterAxis = 0) => Lp(weight, 2, norms, filterAxis);

    /// <summary>The p-norm of each filter, into the caller's memory.</summary>
    /// <param name="weight">Any real floating weight of at least one dimension, on any device; not changed.</param>
    /// <param name="p">The exponent: above 0; positive infinity takes the largest magnitude.</param>
    /// <param name="norms">Takes one number for each filter.</param>
    /// <param name="filterAxis">The axis along which filters are counted; negative counts from the end.</param>
    /// <exception cref="ArgumentException">The weight has no dimensions or is not of a floating type, or the span has another length than the weight has filters.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The weight has no such axis, or the exponent is not above 0.</exception>
    public static unsafe void Lp(Tensor weight, double p, Span<float> norms, int filterAxis = 0)
    {
        var (type, axis) = Check(weight, p, filterAxis);
        if (norms.Length != weight.size(axis))
            throw new ArgumentException($"There is room for {norms.Length} norms, and the weight has {weight.size(axis)} filters along axis {axis}; give a span of that length.", nameof(norms));
        if (TryLayout(weight, type, axis, p, out var layout))
        {
            fixed (float* first = norms)
                Reduce(weight, type, layout, first, p);
            return;
        }

        using var result = ByOperators(weight, axis, p);
        result.data<float>().CopyTo(norms);
    }

    /// <summary>Whether the weight takes the vector path.</summary>
    internal static bool IsFast(Tensor weight, int filterAxis = 0, double p = 1) => TryLayout(weight, weight.dtype, filterAxis, p, out _);

    private static (ScalarType Type, int Axis) Check(Tensor weight, double p, int filterAxis)
    {
        ArgumentNullException.ThrowIfNull(weight);
        if (!(p > 0))
            throw new ArgumentOutOfRangeException(nameof(p), p, "Allowed is p > 0; positive infinity takes the largest magnitude.");
        var rank = (int)weight.dim();
        var type = weight.dtype;
        if (rank == 0 || (!IsShort(type) && !weight.is_floating_point()))
            throw new ArgumentException($"The weight is {type} with {rank} dimensions; a floating weight of at least one dimension is needed.", nameof(weight));
        var axis = filterAxis < 0 ? filterAxis + rank : filterAxis;
        if (axis < 0 || axis >= rank)
            throw new ArgumentOutOfRangeException(nameof(filterAxis), filterAxis, $"The weight has {rank} dimensions; the filter axis must be from {-rank} to {rank - 1}.");
        return (type, axis);
    }

    private static bool TryLayout(Tensor weight, ScalarType type, int axis, double p, out FilterLayout layout)
    {
        layout = default;
        return p <= LargestPower && IsShort(type) && weight.device_type == DeviceType.CPU && !weight.is_sparse && FilterLayout.TryOf(weight, axis, out layout);
    }

    private static bool IsShort(ScalarType type) => type is ScalarType.Float32 or ScalarType.Float16 or ScalarType.BFloat16;

    private static unsafe void Reduce(Tensor weight, ScalarType type, in FilterLayout layout, float* norms, double p)
    {
        var first = TensorAddress.Of(weight);
        switch (type)
        {
            case ScalarType.Float32:
                Reduce<SingleElement>(first, layout, norms, p);
                break;
            case ScalarType.Float16:
                Reduce<HalfElement>(first, layout, norms, p);
                break;
            default:
                Reduce<BFloat16Element>(first, layout, norms, p);
                break;
        }

        GC.KeepAlive(weight);
    }

    private static unsafe void Reduce<TElement>(byte* weight, in FilterLayout layout, float* norms, double p)
        where TElement : struct, IElement
    {
        // Asking libtorch costs more than a small weight does.
        var threads = layout.Filters * layout.Length * TElement.Bytes < FilterReduction<TElement, Magnitudes, Short>.SharedBytes ? 1 : get_num_threads();
        if (p == 1)
            FilterReduction<TElement, Magnitudes, Short>.Run(weight, layout, norms, default, threads);
        else if (p == 2)
            FilterReduction<TElement, Squares, Short>.Run(weight, layout, norms, default, threads);
        else if (2 * p == Math.Round(2 * p))
            FilterReduction<TElement, HalfIntegerPower, Short>.Run(weight, layout, norms, new((int)(2 * p)), threads);
        else
            FilterReduction<TElement, AnyPower, Long>.Run(weight, layout, norms, new(p), threads);
    }

    private static Tensor ByOperators(Tensor weight, int axis, double p)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();

        // [..., filters, ...] → [filters, rest]
        var filters = weight.size(axis);
        var rows = weight.detach().movedim([axis], [0]).reshape(filters, filters == 0 ? 0 : weight.numel() / filters);
        var norms = empty(filters, ScalarType.Float32, CPU);
        if (rows.numel() == 0)
            return norms.zero_().MoveToOuterDisposeScope();
        foreach (var (start, count) in RowBlocks.Of(rows))
        {
            using var block = NewDisposeScope();
            norms.narrow(0, start, count).copy_(OfRows(rows.narrow(0, start, count), p));
        }

        return norms.MoveToOuterDisposeScope();
    }

    // [filters, numbers] → [filters]
    private static Tensor OfRows(Tensor rows, double p)
    {
        if (double.IsPositiveInfinity(p))
            return rows.abs().amax([1]);
        var magnitudes = rows.to(ScalarType.Float64).abs();
        if (p == 1)
            return magnitudes.sum(1);
        if (p == 2)
            return magnitudes.square().sum(1).sqrt();

        // Powers of at most 1 cannot overflow. Between these bounds 0 / 0 is 0 and ∞ / ∞ is ∞.
        var largest = magnitudes.amax([1], keepdim: true);  // [filters, 1]
        return (largest * (magnitudes / largest.clamp(1e-300, double.MaxValue)).pow(p).sum(1, keepdim: true).pow(1 / p)).squeeze(1);
    }
}
