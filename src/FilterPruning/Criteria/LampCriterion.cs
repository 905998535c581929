using FilterPruning.Kernels;
using FilterPruning.Planning;

namespace FilterPruning.Criteria;

/// <summary>
/// Layer-adaptive magnitude (Lee et al., Layer-adaptive Sparsity for the Magnitude-based Pruning, ICLR 2021), for whole filters: the squared Euclidean norm of a
/// filter over the sum of the squared norms, in its layer, that are not smaller: ‖wᵤ‖² / Σ ‖wᵥ‖² over all v with ‖wᵥ‖ ≥ ‖wᵤ‖. Needs no data.
/// </summary>
/// <remarks>
/// Within a layer the order is that of <see cref="L2Criterion"/>; between layers (<see cref="PruningScope.Global"/>) the scores are comparable as they are: the largest filter of every layer scores 1,
/// so that no layer is emptied. Equal filters share a score. The same as <see cref="ScoreNormalization.Lamp"/> on squared norms. Thread-safe.
/// </remarks>
public sealed class LampCriterion : IPruningCriterion
{
    /// <inheritdoc/>
    public string Name => "lamp";

    /// <inheritdoc/>
    public Tensor Score(FilterBank filters)
    {
        ArgumentNullException.ThrowIfNull(filters);
        using var norms = NormCriterion.Score(filters, FilterNorms.L2);
        var squares = norms.data<float>().Select(norm => (double)norm * norm).ToArray();
        return tensor(ScoreNormalizer.Lamp(squares).Select(score => (float)score).ToArray(), dtype: float32, device: CPU);
    }
}
