using TorchSharp.Modules;

namespace FilterPruning.Inference;

/// <summary>
/// A convolution with what follows it: a norm, a sum, a ReLU. While it is prepared it runs as one operation of oneDNN, with the norm folded into weights that lie in the order of the
/// processor's kernel; otherwise layer by layer. The layers themselves stay as they are.
/// </summary>
/// <remarks>
/// <para>Prepared or not, it is safe to change the layers: what was computed from their weights is computed anew when a tensor was exchanged or written to (a cut, a training step, a checkpoint). It runs layer by layer
/// whenever that matters: while gradients are recorded, while a norm trains, while a layer has hooks, for inputs other than float32 on the CPU, and where libtorch has no oneDNN.</para>
/// <para>The two ways differ by rounding: each output by at most about <c>(k + 4) · 2⁻²⁴</c> of the sum of its terms' magnitudes, with k terms.</para>
/// <para>Safe for use by several threads at once as long as nobody changes the layers or calls <see cref="Prepare"/> or <see cref="Release"/>.</para>
/// </remarks>
public sealed class FusedConvolution : IFusedLayer, IDisposable
{
    private readonly nn.Module<Tensor, Tensor>[] _chain;
    private readonly nn.Module[] _all;
    private readonly Conv2d? _convolution;
    private readonly nn.Module? _norm;
    private readonly bool _endsWithRelu;
    private readonly Lock _lock = new();
    private PackedConvolution? _packed;
    private bool _prepared;

    /// <summary>Describes a chain of layers; nothing is computed yet.</summary>
    /// <param name="chain">Layers that are called one after another: a <c>Conv2d</c>, then optionally a norm with constant statistics, then optionally a <c>ReLU</c>, each alone or inside a <c>Sequential</c>. Any other
    /// chain is accepted and always runs layer by layer. They stay the caller's.</param>
    public FusedConvolution(params nn.Module<Tensor, Tensor>[] chain)
    {
        ArgumentNullException.ThrowIfNull(chain);
        _chain = [.. chain];
        _all = [.. chain.SelectMany(module => module.modules().Prepend(module)).Distinct()];
        var leaves = chain.SelectMany(Leaves).ToList();
        if (leaves is not [Conv2d convolution, .. var rest])
            return;
        if (rest is [not ReLU, ..])
            (_norm, rest) = (rest[0], rest[1..]);
        _endsWithRelu = rest is [ReLU];
        if (rest is [] or [ReLU])
            _convolution = convolution;
    }

    /// <summary>Whether this libtorch has the fused operations at all.</summary>
    public static bool IsSupported => OneDnn.IsAvailable;

    /// <summary>Lets it run as one operation from now on. The weights are put in order at the first run with an input of a size.</summary>
    public void Prepare()
    {
        _prepared = true;
        foreach (var module in _all)
            FusedLayers.Add(module, this);
    }

    /// <summary>Runs layer by layer from now on and lets go of the ordered weights.</summary>
    public void Release()
    {
        lock (_lock)
        {
            _prepared = false;
            foreach (var module in _all)
                FusedLayers.Remove(module, this);
            _packed?.Dispose();
            _packed = null;
        }
    }

    /// <summary>Whether the next run with such an input would be one operation.</summary>
    /// <param name="input"><c>[N, C, H, W]</c>.</param>
    public bool IsFusedFor(Tensor input)
    {
        ArgumentNullException.ThrowIfNull(input);
        return _prepared && _convolution is not null && !is_grad_enabled() && OneDnn.IsAvailable
            && input.dtype == ScalarType.Float32 && input.device_type == DeviceType.CPU && input.dim() == 4 && input.numel() > 0
            && (Norm is null || NormConstants.Of(Norm) is not null)
            && _convolution.weight.dtype == ScalarType.Float32 && ConvolutionShape.Of(_convolution) is not null
            && !_all.Any(ModuleHooks.Any);
    }

    /// <summary>Runs the chain.</summary>
    /// <param name="input"><c>[N, C, H, W]</c>; stays the caller's.</param>
    /// <param name="added">Of the output's shape: added to what the chain gives. Stays the caller's and as it is.</param>
    /// <param name="relu">Whether a ReLU follows that.</param>
    /// <returns><c>[N, C', H', W']</c>, the caller's; channels innermost where it ran as one operation.</returns>
    public Tensor Run(Tensor input, Tensor? added = null, bool relu = false)
    {
        using var scope = NewDisposeScope();
        if (!IsFusedFor(input) || (added is not null && _endsWithRelu))
            return Plain(input, added, relu).MoveToOuterDisposeScope();
        var plain = ChannelsLast.Is(input) ? input : ChannelsLast.Of(input);
        var (packed, weight) = Packed(plain);
        // A map one place wide lies in both layouts at once, which the fused sum refuses.
        var apart = added is not null && added.is_contiguous() && ChannelsLast.Is(added);
        var summand = added is null || apart ? null : ChannelsLast.Is(added) ? added : ChannelsLast.Of(added);
        var output = FusedLayers.Run(_convolution!, () => OneDnn.Convolve(plain, weight, packed.Bias, packed.Shape, summand, (relu || _endsWithRelu) && !apart));
        if (apart)
            output.add_(added!);
        if (apart && relu)
            output.relu_();
        return output.MoveToOuterDisposeScope();
    }

    /// <summary>Lets go of the ordered weights; the layers stay.</summary>
    public void Dispose() => Release();

    /// <summary>The same convolution alone, prepared without anyone knowing: to time it.</summary>
    internal static FusedConvolution Alone(nn.Module<Tensor, Tensor> layer) => new(layer) { _prepared = true };

    /// <summary>The layer that the others are part of.</summary>
    internal nn.Module? Convolution => _convolution;

    // One that the layer does the work of already counts as none.
    private nn.Module? Norm => _norm is IConstantNorm { IsFolded: true } ? null : _norm;

    private Tensor Plain(Tensor input, Tensor? added, bool relu)
    {
        var x = input;
        foreach (var module in _chain)
            x = module.call(x);
        if (added is not null)
            x = x.add_(added);
        return relu ? x.relu_() : x;
    }

    private (PackedConvolution Packed, Tensor Weight) Packed(Tensor input)
    {
        lock (_lock)
        {
            var norm = Norm is null ? null : NormConstants.Of(Norm);
            var (layer, eps) = (_convolution!, norm?.Eps ?? 0);
            Tensor?[] sources = [layer.weight, layer.bias, norm?.Mean, norm?.Variance, norm?.Weight, norm?.Bias];
            if (_packed is null || !_packed.Fits(sources, eps))
            {
                _packed?.Dispose();
                _packed = new PackedConvolution(ConvolutionShape.Of(layer)!, sources, eps, () => FoldedWeights.Of(layer.weight, 0, layer.groups, layer.bias, norm));
            }

            return (_packed, _packed.For(input.shape));
        }
    }

    private static IEnumerable<nn.Module> Leaves(nn.Module module) => module is Sequential sequence ? sequence.children().SelectMany(Leaves) : [module];
}
