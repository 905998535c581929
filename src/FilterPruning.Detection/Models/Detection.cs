namespace FilterPruning.Detection.Models;

/// <summary>What a detector found on one image. Owns its tensors.</summary>
/// <param name="Boxes">float32 <c>[N, 4]</c>, corners x1, y1, x2, y2 in pixels of the given image.</param>
/// <param name="Labels">int64 <c>[N]</c>, 1 … classes − 1; 0 is the background and never reported.</param>
/// <param name="Scores">float32 <c>[N]</c>, 0 … 1, descending.</param>
/// <param name="Masks">float32 <c>[N, 1, H, W]</c>, probabilities at the given image's size.</param>
public sealed record Detection(Tensor Boxes, Tensor Labels, Tensor Scores, Tensor Masks) : IDisposable
{
    /// <summary>The number of detections.</summary>
    public int Count => (int)Boxes.shape[0];

    /// <summary>Disposes the four tensors.</summary>
    public void Dispose()
    {
        Boxes.Dispose();
        Labels.Dispose();
        Scores.Dispose();
        Masks.Dispose();
    }
}
