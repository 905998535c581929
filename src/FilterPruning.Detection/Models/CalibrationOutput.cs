namespace FilterPruning.Detection.Models;

/// <summary>What the heads of a detector gave on one image, before anything is selected. Owns its tensors.</summary>
/// <param name="Objectness">The RPN's logits, float32 <c>[1, anchors]</c>.</param>
/// <param name="AnchorDeltas">The RPN's offsets, <c>[1, anchors, 4]</c>.</param>
/// <param name="ClassLogits">The box head's logits, <c>[proposals, classes]</c>.</param>
/// <param name="BoxDeltas">The box head's offsets, <c>[proposals, classes, 4]</c>.</param>
/// <param name="MaskLogits">The mask head's logits, <c>[boxes, classes, 28, 28]</c>; no rows where the dense model found nothing.</param>
public sealed record CalibrationOutput(Tensor Objectness, Tensor AnchorDeltas, Tensor ClassLogits, Tensor BoxDeltas, Tensor MaskLogits) : IDisposable
{
    /// <summary>Disposes the five tensors.</summary>
    public void Dispose()
    {
        Objectness.Dispose();
        AnchorDeltas.Dispose();
        ClassLogits.Dispose();
        BoxDeltas.Dispose();
        MaskLogits.Dispose();
    }
}
