namespace FilterPruning.Planning;

/// <summary>Among which groups the ratio is shared out.</summary>
public enum PruningScope
{
    /// <summary>Every role loses the same share of its groups: widths shrink evenly.</summary>
    Local,

    /// <summary>All groups of the model are ranked together: layers with little importance lose more.</summary>
    Global,

    /// <summary>
    /// Groups are ranked together with those of the roles that are built alike, and every such class loses the same share: 1 × 1 convolutions never compete
    /// with 3 × 3 ones, nor a residual stream with the inside of a block. Two roles are built alike when their sides have the same kinds, axes,
    /// multiplicities and kernel shapes, whatever their names, widths and places. After Fang et al., Isomorphic Pruning for Vision Models (2024).
    /// </summary>
    Isomorphic,

    /// <summary>
    /// Each role loses what costs least when its readers are refitted at every width, for the budget as a whole: <see cref="Schedules.ReconstructionAllocation"/>, which says how. Needs a
    /// <see cref="Criteria.ReconstructionCriterion"/>, whose calibration sample it measures on, and cannot be repeated in an iterative run.
    /// </summary>
    Allocated,
}
