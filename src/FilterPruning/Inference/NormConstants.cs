using TorchSharp.Modules;

namespace FilterPruning.Inference;

/// <summary>What a norm computes while its statistics are constants: <c>(x − Mean) / √(Variance + Eps) · Weight + Bias</c>, channel by channel.</summary>
/// <param name="Mean">float <c>[C]</c>.</param>
/// <param name="Variance">float <c>[C]</c>.</param>
/// <param name="Weight">float <c>[C]</c>, or null for ones.</param>
/// <param name="Bias">float <c>[C]</c>, or null for zeros.</param>
/// <param name="Eps">Added to the variance.</param>
/// <remarks>The tensors are the norm's own: only read.</remarks>
public sealed record NormConstants(Tensor Mean, Tensor Variance, Tensor? Weight, Tensor? Bias, double Eps)
{
    /// <summary>The constants of a norm as it is now; null when the module is no norm with constant statistics: it trains, keeps no running statistics, or is something else.</summary>
    /// <param name="module">A <c>BatchNorm</c> in evaluation mode, or a module that implements <see cref="IConstantNorm"/>.</param>
    public static NormConstants? Of(nn.Module module) => module switch
    {
        IConstantNorm norm => norm.Constants,
        BatchNorm norm when !norm.training && norm.track_running_stats && norm.running_mean is { } mean && norm.running_var is { } variance =>
            new NormConstants(mean, variance, norm.weight, norm.bias, norm.eps),
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
}
