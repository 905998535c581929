namespace FilterPruning.Inference;

/// <summary>
/// The weights of a layer that does its norm's work too: <c>W' = s · W</c> per output channel and <c>b' = t + s · b</c>, where the norm is <c>s · x + t</c>.
/// Computed in double precision and rounded once.
/// </summary>
internal static class FoldedWeights
{
    /// <param name="weight">The weight.</param>
    /// <param name="outputAxis">0, or 1 where the weight is <c>[in, out / groups, …]</c>.</param>
    /// <param name="groups">Blocks of the layer; matters to axis 1 alone.</param>
    /// <param name="bias"><c>[out]</c> or null.</param>
    /// <param name="norm">The norm behind the layer, or null.</param>
    /// <returns>Weight and bias of the weight's type, in the current scope; never the layer's own tensors.</returns>
    public static (Tensor Weight, Tensor Bias) Of(Tensor weight, int outputAxis, long groups, Tensor? bias, NormConstants? norm)
    {
        using var guard = no_grad();
        var outputs = outputAxis == 0 ? weight.shape[0] : weight.shape[1] * groups;
        if (norm is null)
            return (weight.detach().clone(), bias?.detach().clone() ?? zeros(outputs, weight.dtype, weight.device));
        var (scale, shift) = norm.Affine();
        var wide = weight.detach().to(float64);
        if (outputAxis == 0)
        {
            wide = wide * scale.view([outputs, .. Enumerable.Repeat(1L, (int)weight.dim() - 1)]);
        }
        else
        {
            // [in, out / groups, k…] → [groups, in / groups, out / groups, k…]: the blocks' outputs lie one after another.
            var blocks = wide.view([groups, weight.shape[0] / groups, .. weight.shape[1..]]);
            wide = (blocks * scale.view([groups, 1, outputs / groups, .. Enumerable.Repeat(1L, (int)weight.dim() - 2)])).view(weight.shape);
        }

        var sum = bias is null ? shift : shift + scale * bias.detach().to(float64);
        return (wide.to(weight.dtype), sum.to(weight.dtype));
    }
}
