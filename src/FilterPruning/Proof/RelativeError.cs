using FilterPruning.Kernels;
using FilterPruning.Storage;

namespace FilterPruning.Proof;

/// <summary>The difference of two tensors relative to the size of one of them.</summary>
internal static class RelativeError
{
    /// <summary>
    /// max|actual − expected| / max|expected|. Where both are the same infinity or both NaN they do not differ; where only one is, the
    /// result is infinite. When everything expected is 0, the difference itself. 0 for empty tensors. Shapes must be equal.
    /// </summary>
    public static double Of(Tensor actual, Tensor expected)
    {
        using var scope = NewDisposeScope();
        if (expected.numel() == 0)
            return 0;
        if (IsPlain(actual) && IsPlain(expected))
            return OfFloats(actual.contiguous(), expected.contiguous());
        actual = Widened(actual);
        expected = Widened(expected);
        var same = actual.eq(expected).logical_or(actual.isnan().logical_and(expected.isnan()));
        var difference = (actual - expected).abs().masked_fill(same, 0).max().to(float64).item<double>();
        var scale = expected.abs().nan_to_num(0, 0, 0).max().to(float64).item<double>();
        return Quotient(difference, scale);
    }

    private static bool IsPlain(Tensor tensor) => tensor.dtype == float32 && tensor.device_type == DeviceType.CPU && !tensor.is_sparse;

    private static unsafe double OfFloats(Tensor actual, Tensor expected)
    {
        var (difference, scale) = LargestDifference.Of((float*)TensorMemory.Pointer(actual), (float*)TensorMemory.Pointer(expected), expected.numel());
        GC.KeepAlive(actual);
        GC.KeepAlive(expected);
        return Quotient(difference, scale);
    }

    private static double Quotient(double difference, double scale) => double.IsNaN(difference) ? double.PositiveInfinity : scale == 0 ? difference : difference / scale;

    /// <summary>The allowed relative difference for values of a type; see <see cref="Surgery.SurgeryOptions.Tolerance"/>.</summary>
    public static double Allowed(ScalarType type, double tolerance) => type switch
    {
        ScalarType.Float16 => Math.Max(tolerance, 1e-2),
        ScalarType.BFloat16 => Math.Max(tolerance, 5e-2),
        _ => tolerance,
    };

    private static Tensor Widened(Tensor tensor)
        => tensor.is_floating_point() ? tensor.dtype is ScalarType.Float16 or ScalarType.BFloat16 ? tensor.to(float32) : tensor : tensor.to(float64);
}
