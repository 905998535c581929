namespace FilterPruning.Detection.Models;

/// <summary>Mask R-CNN.</summary>
public sealed class MaskRcnnModel : nn.Module
{
    internal MaskRcnnModel()
        : base(nameof(MaskRcnnModel))
    {
    }

    /// <summary>Finds objects.</summary>
    /// <param name="images">float32 <c>[3, H, W]</c>, RGB, 0 … 1, any sizes.</param>
    public IReadOnlyList<Detection> Detect(IReadOnlyList<Tensor> images) => throw new NotImplementedException();

    /// <summary>The five losses on a batch.</summary>
    public LossDict Losses(IReadOnlyList<Tensor> images, IReadOnlyList<Target> targets) => throw new NotImplementedException();
}
