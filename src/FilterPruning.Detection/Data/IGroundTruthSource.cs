using FilterPruning.Detection.Evaluation;

namespace FilterPruning.Detection.Data;

/// <summary>
/// A data set that has more to say about its ground truth than a training target holds: annotated areas, exact boxes, crowds. Evaluation prefers it to the target.
/// </summary>
public interface IGroundTruthSource
{
    /// <summary>
    /// All annotations of the image at an index, crowds among them; <see cref="GroundTruthInstance.Category"/> is the label, 1 … classes − 1. Null where there is
    /// nothing beyond the sample's target and crowds.
    /// </summary>
    IReadOnlyList<GroundTruthInstance>? GroundTruth(int index);
}
