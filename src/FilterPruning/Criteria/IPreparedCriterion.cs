namespace FilterPruning.Criteria;

/// <summary>A criterion that has to look at the whole model, or at data, before it can score the filters of a layer.</summary>
/// <remarks>
/// <see cref="Planning.PruningPlanner"/> and <see cref="CriterionAgreement"/> prepare a criterion themselves, each time anew, since weights may have changed. By hand:
/// <see cref="CriterionPreparation.Prepare"/>. Afterwards the criterion scores the layers of that model alone and refuses others.
/// </remarks>
public interface IPreparedCriterion : IPruningCriterion
{
    /// <summary>Measures what <see cref="IPruningCriterion.Score"/> will need. What was measured before is forgotten, also when this one fails.</summary>
    /// <param name="context">
    /// The traced model. It is guarded while this runs: whatever happens to its training flags, buffers, gradients, <c>requires_grad</c> flags and to torch's random
    /// state on the CPU is put back afterwards. Weights are not guarded: they must not be changed.
    /// </param>
    /// <remarks>Runs in a dispose scope that ends with it: tensors that must live on are detached from it, and are the criterion's to dispose.</remarks>
    void Prepare(CriterionContext context);
}
