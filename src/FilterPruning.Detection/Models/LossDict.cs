namespace FilterPruning.Detection.Models;

/// <summary>The five losses of Mask R-CNN, each a scalar float32 tensor with a gradient.</summary>
/// <param name="Classifier">Cross entropy of the box head's classes (<c>loss_classifier</c>).</param>
/// <param name="BoxRegression">Smooth L1 of the box head's offsets (<c>loss_box_reg</c>).</param>
/// <param name="Mask">Binary cross entropy of the mask head (<c>loss_mask</c>).</param>
/// <param name="Objectness">Binary cross entropy of the RPN (<c>loss_objectness</c>).</param>
/// <param name="RpnBoxRegression">Smooth L1 of the RPN's offsets (<c>loss_rpn_box_reg</c>).</param>
public sealed record LossDict(Tensor Classifier, Tensor BoxRegression, Tensor Mask, Tensor Objectness, Tensor RpnBoxRegression) : IDisposable
{
    /// <summary>What is added to the five while a model learns from another one, weighted and summed: a scalar float32 tensor with a gradient; null (default) for nothing.</summary>
    public Tensor? Distillation { get; init; }

    /// <summary>The sum of all; a new tensor, the caller's.</summary>
    public Tensor Total()
    {
        using var scope = NewDisposeScope();
        var five = Classifier + BoxRegression + Mask + Objectness + RpnBoxRegression;
        return (Distillation is { } distillation ? five + distillation : five).MoveToOuterDisposeScope();
    }

    /// <summary>Disposes all tensors.</summary>
    public void Dispose()
    {
        Classifier.Dispose();
        BoxRegression.Dispose();
        Mask.Dispose();
        Objectness.Dispose();
        RpnBoxRegression.Dispose();
        Distillation?.Dispose();
    }
}
