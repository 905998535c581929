namespace FilterPruning.Detection.Ops;

/// <summary>Losses on box regression codes.</summary>
public static class BoxLosses
{
    /// <summary>
    /// The sum of smooth L1 losses: <c>d² / (2β)</c> where <c>d = |input − target|</c> is below β, <c>d − β / 2</c> elsewhere.
    /// As <c>F.smooth_l1_loss(reduction="sum")</c> in torchvision 0.14.1's detection losses.
    /// </summary>
    /// <param name="input">Predicted codes, any shape.</param>
    /// <param name="target">The codes to be reached, same shape.</param>
    /// <param name="beta">Where the square becomes linear; 1/9 in torchvision's detectors.</param>
    /// <returns>A scalar; zero for empty inputs.</returns>
    public static Tensor SmoothL1Sum(Tensor input, Tensor target, double beta = 1.0 / 9) =>
        nn.functional.smooth_l1_loss(input, target, nn.Reduction.Sum, beta);
}
