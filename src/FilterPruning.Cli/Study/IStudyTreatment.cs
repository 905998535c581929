using FilterPruning.Detection.Models;
using FilterPruning.Planning;

namespace FilterPruning.Cli.Study;

/// <summary>
/// What is done to a model after its cut, before it is measured: fine-tuning. Points that have it say <c>fineTuned: true</c>. Whatever it does to the weights is taken back
/// after the point; it must not change shapes, nor the dense model.
/// </summary>
internal interface IStudyTreatment
{
    /// <summary>Treats a model in place.</summary>
    /// <param name="pruned">The model after repair and cut, in evaluation mode; may be left in any mode.</param>
    /// <param name="dense">The unpruned model, for instance to distil from.</param>
    /// <param name="plan">What was cut.</param>
    /// <param name="budget">How long, as a share of the original training; null leaves it to the treatment.</param>
    /// <param name="seed">The point's seed.</param>
    /// <param name="report">To be told a share from 0 to 1 and what is going on.</param>
    /// <param name="cancellation">Ends the work early.</param>
    void Apply(MaskRcnnModel pruned, MaskRcnnModel dense, PruningPlan plan, double? budget, int seed, Action<double, string> report, CancellationToken cancellation);
}
