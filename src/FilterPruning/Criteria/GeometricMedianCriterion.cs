namespace FilterPruning.Criteria;

/// <summary>
/// The sum of a filter's Euclidean distances to all filters of its layer, Σⱼ ‖wᵢ − wⱼ‖₂ (He et al., Filter Pruning via Geometric Median for Deep Convolutional
/// Neural Networks Acceleration, CVPR 2019). Needs no data.
/// </summary>
/// <remarks>
/// A filter near the geometric median of its layer is one that the others can stand in for; unlike a norm, the measure does not take small filters for unimportant.
/// All pairs of a layer are compared, in double precision: n² · numbers per filter multiplications. Two equal filters count as at most 2e-8 of their norm apart. Thread-safe.
/// </remarks>
public sealed class GeometricMedianCriterion : IPruningCriterion
{
    /// <inheritdoc/>
    public string Name => "fpgm";

    /// <inheritdoc/>
    public Tensor Score(FilterBank filters)
    {
        ArgumentNullException.ThrowIfNull(filters);
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var matrix = filters.AsMatrix().to(float64);
        // Distances do not change with the origin, and rounding is least around the mean: ‖a − b‖² = ‖a‖² + ‖b‖² − 2ab loses what ‖a‖² is larger than it.
        var centred = matrix - matrix.mean([0], keepdim: true);                             // [filters, numbers]
        var squares = centred.square().sum(1);                                              // [filters]
        var scores = empty(filters.Count, float32, CPU);
        foreach (var (start, count) in RowBlocks.Of(filters.Count, filters.Count))
        {
            using var block = NewDisposeScope();
            var products = centred.narrow(0, start, count).mm(centred.t());                 // [rows, filters]
            var distances = (squares.narrow(0, start, count).unsqueeze(1) + squares - (2 * products)).clamp_min(0).sqrt();
            distances.diagonal(start).zero_();                                              // a filter to itself
            scores.narrow(0, start, count).copy_(distances.sum(1));
        }

        return scores.MoveToOuterDisposeScope();
    }
}
