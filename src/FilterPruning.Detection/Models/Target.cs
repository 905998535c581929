namespace FilterPruning.Detection.Models;

/// <summary>What is to be found on one image. Owns its tensors.</summary>
/// <param name="Boxes">float32 <c>[N, 4]</c>, corners x1, y1, x2, y2 in pixels; N may be 0.</param>
/// <param name="Labels">int64 <c>[N]</c>, 1 … classes − 1.</param>
/// <param name="Masks">uint8 <c>[N, H, W]</c>, 1 inside the object, at the image's size.</param>
public sealed record Target(Tensor Boxes, Tensor Labels, Tensor Masks) : IDisposable
{
    /// <summary>Disposes the three tensors.</summary>
    public void Dispose()
    {
        Boxes.Dispose();
        Labels.Dispose();
        Masks.Dispose();
    }
}
