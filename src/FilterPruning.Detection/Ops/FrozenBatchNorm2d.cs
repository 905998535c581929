using FilterPruning.Inference;
using FilterPruning.Layers;

namespace FilterPruning.Detection.Ops;

/// <summary>
/// Batch normalisation whose statistics and affine parameters are constants: <c>y = x · weight / √(running_var + eps) + …</c> per channel.
/// Mirrors <c>torchvision.ops.misc.FrozenBatchNorm2d</c> 0.14.1, with its state-dict keys.
/// </summary>
/// <remarks>
/// Train and eval mode are the same. The gradient flows to the input only. All four tensors are buffers; they may be narrowed or replaced
/// in place at any time, nothing derived from them is kept between calls.
/// </remarks>
[LayerRule(typeof(FrozenBatchNormRule))]
public sealed class FrozenBatchNorm2d : nn.Module<Tensor, Tensor>, IConstantNorm
{
    /// <summary>Scale, float32 <c>[C]</c>.</summary>
    internal Tensor weight;

    /// <summary>Shift, float32 <c>[C]</c>.</summary>
    internal Tensor bias;

    /// <summary>Mean of the frozen statistics, float32 <c>[C]</c>.</summary>
    internal Tensor running_mean;

    /// <summary>Variance of the frozen statistics, float32 <c>[C]</c>.</summary>
    internal Tensor running_var;

    /// <summary>Creates the identity (up to <paramref name="eps"/>).</summary>
    /// <param name="numFeatures">The number of channels C, at least 1.</param>
    /// <param name="eps">Added to the variance. 1e-5 is the default; checkpoints trained before torchvision 0.9 used 0.</param>
    public FrozenBatchNorm2d(long numFeatures, double eps = 1e-5)
        : base(nameof(FrozenBatchNorm2d))
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(numFeatures, 1);
        Eps = eps;
        // The module owns its buffers: they outlive a dispose scope in which it is made.
        weight = ones(numFeatures).DetachFromDisposeScope();
        bias = zeros(numFeatures).DetachFromDisposeScope();
        running_mean = zeros(numFeatures).DetachFromDisposeScope();
        running_var = ones(numFeatures).DetachFromDisposeScope();
        RegisterComponents();
    }

    /// <summary>Added to the variance for numerical stability.</summary>
    public double Eps { get; set; }

    /// <summary>The number of channels now.</summary>
    public long NumFeatures => weight.shape[0];

    /// <summary>The four vectors and <see cref="Eps"/>; the module's own.</summary>
    public NormConstants? Constants => new(running_mean, running_var, weight, bias, Eps);

    /// <summary>While true, the layer before it does its work and the forward returns what it is given. Set by <see cref="NormFolding"/>. Default false.</summary>
    public bool IsFolded { get; set; }

    /// <summary>Normalises.</summary>
    /// <param name="input">float32 <c>[N, C, H, W]</c>.</param>
    /// <returns>A new tensor of the same shape; shares the input's memory while <see cref="IsFolded"/>.</returns>
    public override Tensor forward(Tensor input)
    {
        if (IsFolded)
            return input.alias();
        // One pass: in evaluation mode the native kernel folds the four vectors into a scale and a shift per channel first.
        return nn.functional.batch_norm(input, running_mean, running_var, weight, bias, training: false, momentum: 0, eps: Eps);
    }
}
