namespace FilterPruning.Detection.Models;

/// <summary>What the RPN's layers say about every anchor.</summary>
/// <param name="Anchors">float32 <c>[anchors, 4]</c>, the same for all images of the batch.</param>
/// <param name="Objectness">Logits <c>[N, anchors]</c>.</param>
/// <param name="Deltas">Offsets <c>[N, anchors, 4]</c>.</param>
/// <param name="AnchorsPerLevel">How the anchors divide into levels.</param>
internal sealed record RpnPrediction(Tensor Anchors, Tensor Objectness, Tensor Deltas, IReadOnlyList<long> AnchorsPerLevel);
