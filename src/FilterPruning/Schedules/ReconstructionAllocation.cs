using FilterPruning.Criteria;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Recovery;
using FilterPruning.Selection;

namespace FilterPruning.Schedules;

/// <summary>Shares a budget out over the roles of a model by what is lost when they are refitted at each width, and chooses the channels: closed form, from one calibration sample, without labels.</summary>
/// <remarks>
/// <para>
/// For every role the order of <see cref="ReconstructionCriterion"/> gives what its readers lose at every width, in one pass. Losses of roles are taken to add up. The budget is spent where the
/// model's answers lose least for each unit of cost, on the curves' lower convex hulls, with what a step saves measured with everything cut so far; then single steps are exchanged between roles, and channels within
/// them at the widths found.
/// </para>
/// <para>A plan comes out in a few seconds to a minute (a Mask R-CNN with a ResNet-50), and should be followed by <see cref="LeastSquaresRepair"/> from the same sample.</para>
/// </remarks>
public static class ReconstructionAllocation
{
    /// <summary>Plans what to remove.</summary>
    /// <param name="sample">What the dense model's layers read; made of the graph that is planned for.</param>
    /// <param name="options">
    /// What to reach, by <see cref="PruningOptions.Target"/> or <see cref="PruningOptions.Ratio"/>, and what may go. A criterion other than <see cref="ReconstructionCriterion"/> says in which order
    /// channels go within a role, and the budget is still spent by what that order loses. Layers named in its <see cref="PruningOptions.LayerRatios"/> keep those. Its scope is not looked at.
    /// </param>
    /// <param name="allocation">How the budget is spent; null for the defaults.</param>
    /// <param name="cancellation">Looked at before each role and step.</param>
    /// <returns>A plan with the scope <see cref="PruningScope.Allocated"/>. It costs no more than the target, and less by less than the smallest step that could be given back.</returns>
    /// <exception cref="PruningOptionsException">Options that cannot be used, or a target that cannot be reached; says what can.</exception>
    /// <exception cref="PruningException">The sample's graph does not fit its model any more.</exception>
    public static PruningPlan Plan(CalibrationSample sample, PruningOptions options, AllocationOptions? allocation = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(sample);
        ArgumentNullException.ThrowIfNull(options);
        allocation ??= new AllocationOptions();
        options.Validate();
        options = options.WithFastWidths();
        allocation.Validate();
        using var scope = NewDisposeScope();
        return new ReconstructionPlanner(sample, options with { Scope = PruningScope.Allocated }, allocation, cancellation).Plan();
    }
}
