using TorchSharp.Modules;

namespace FilterPruning.Inference;

/// <summary>What a norm computes while its statistics are constants: <c>(x − Mean) / √(Variance + Eps) · Weight + Bias</c>, channel by channel. The tensors are the norm's own: only read.</summary>
/// <param name="mean">float <c>[C]</c>.</param>
/// <param name="variance">float <c>[C]</c>.</param>
/// <param name="weight">float <c>[C]</c>, or null for ones.</param>
/// <param name="bias">float <c>[C]</c>, or null for zeros.</param>
/// <param name="eps">Added to the variance.</param>
public sealed class NormConstants(Tensor mean, Tensor variance, Tensor? weight, Tensor? bias, double eps)
{
    /// <summary>What is subtracted, <c>[C]</c>.</summary>
    public Tensor Mean => mean;

    /// <summary>What the root is taken of, <c>[C]</c>.</summary>
    public Tensor Variance => variance;

    /// <summary>What is multiplied, <c>[C]</c>; null for ones.</summary>
    public Tensor? Weight => weight;

    /// <summary>What is added, <c>[C]</c>; null for zeros.</summary>
    public Tensor? Bias => bias;

    /// <summary>Added to the variance.</summary>
    public double Eps => eps;

    /// <summary>The constants of a norm as it is now; null when the module is no norm with constant statistics: it trains, keeps no running statistics, or is something else.</summary>
    /// <param name="module">A <c>BatchNorm</c> in evaluation mode, or a module that implements <see cref="IConstantNorm"/>.</param>
    public static NormConstants? Of(nn.Module module) => module switch
    {
        IConstantNorm norm => norm.Constants,
        BatchNorm { training: false, track_running_stats: true, running_mean: { } means, running_var: { } variances } norm =>
            new NormConstants(means, variances, norm.weight, norm.bias, norm.eps),
        _ => null,
    };

    /// <summary>What the norm multiplies and adds, float64 <c>[C]</c> each, in the current scope.</summary>
    internal (Tensor Scale, Tensor Shift) Affine()
    {
        var scale = (Variance.detach().to(float64) + Eps).rsqrt();
        if (Weight is not null)
            scale = scale * Weight.detach().to(float64);
        var shift = -Mean.detach().to(float64) * scale;
        return (scale, Bias is null ? shift : shift + Bias.detach().to(float64));
    }
}

/// <summary>A norm of one's own whose statistics are constants, so that it can become part of the layer before it.</summary>
public interface IConstantNorm
{
    /// <summary>The constants now; null while they are not constant (in training).</summary>
    NormConstants? Constants { get; }

    /// <summary>While true, the norm's work is done by the layer before it: its forward returns what it is given. Set by <see cref="NormFolding"/>.</summary>
    bool IsFolded { get; set; }
}
