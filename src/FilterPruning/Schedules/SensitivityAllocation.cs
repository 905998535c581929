using FilterPruning.Graph;
using FilterPruning.Planning;

namespace FilterPruning.Schedules;

/// <summary>Shares a budget out over the roles of a model by what a scan says about them.</summary>
/// <remarks>
/// Each role's curve of drops is made monotone (more channels gone is never better: what looks so is noise) and convex (its lower hull over the saved cost), then
/// the budget is spent greedily where the metric falls least for each unit of cost saved, which for convex curves and independent roles is the best there is.
/// What a step saves is measured with everything cut so far, since two neighbours share a weight. Drops of different roles are taken to add up.
/// </remarks>
public static class SensitivityAllocation
{
    /// <summary>Turns a scan and a target into ratios.</summary>
    /// <param name="graph">The traced model, as it was scanned.</param>
    /// <param name="scan">The scan.</param>
    /// <param name="options">
    /// What to reach, by <see cref="PruningOptions.Target"/> or <see cref="PruningOptions.Ratio"/>, and what may go, as it was scanned. Layers named in its
    /// <see cref="PruningOptions.LayerRatios"/> keep those.
    /// </param>
    /// <returns>
    /// The options with a ratio for every role in <see cref="PruningOptions.LayerRatios"/> in place of target and ratio. A plan made with them costs no more than the
    /// target, and less by about one channel of the role that was cut last at most.
    /// </returns>
    /// <exception cref="PruningOptionsException">Options that cannot be used, or a target below what the scanned ratios can reach.</exception>
    /// <exception cref="PruningException">The scan is of another model or of other options.</exception>
    public static PruningOptions Allocate(DependencyGraph graph, SensitivityResult scan, PruningOptions options)
    {
        ArgumentNullException.ThrowIfNull(graph);
        ArgumentNullException.ThrowIfNull(scan);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        using var scope = NewDisposeScope();
        var units = new ScanUnits(graph, options);
        return new BudgetSpending(graph, units, scan, options).Spend();
    }
}
