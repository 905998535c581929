namespace FilterPruning.Criteria;

/// <summary>Says how important each filter of a layer is.</summary>
/// <remarks>
/// A criterion looks at one layer at a time; <see cref="Planning.PruningPlanner"/> unites the scores of filters that must go together.
/// Implementations should hold no state that changes between calls, so that a plan does not depend on the order of the layers.
/// </remarks>
public interface IPruningCriterion
{
    /// <summary>A short name for plans and reports, for instance <c>l1</c>.</summary>
    string Name { get; }

    /// <summary>Scores every filter of a layer.</summary>
    /// <param name="filters">The layer's filters; its tensors stay the layer's.</param>
    /// <returns>float32 [<see cref="FilterBank.Count"/>] on the CPU, finite; larger means keep. Owned by the caller.</returns>
    Tensor Score(FilterBank filters);
}
