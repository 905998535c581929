namespace FilterPruning.Criteria;

/// <summary>What the norms share.</summary>
internal static class NormCriterion
{
    /// <summary>Half-precision weights are summed in float32: thousands of terms would overflow or vanish in their own type.</summary>
    public static Tensor InWorkingType(Tensor rows) => rows.dtype is ScalarType.Float16 or ScalarType.BFloat16 ? rows.to(float32) : rows;
}
