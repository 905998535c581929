namespace FilterPruning.Detection.Models;

/// <summary>Everything up to and with the proposals of a batch.</summary>
/// <param name="Images">The normalised, resized batch.</param>
/// <param name="Features">The pyramid, finest level first.</param>
/// <param name="Prediction">What the RPN said.</param>
/// <param name="Proposals">For each image <c>[K, 4]</c>.</param>
internal sealed record ProposalStage(ImageList Images, Tensor[] Features, RpnPrediction Prediction, Tensor[] Proposals);
