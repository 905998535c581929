using TorchSharp.Modules;

namespace FilterPruning.Inference;

/// <summary>
/// A transposed convolution whose kernel is as large as its stride, so that every place of the input makes a block of places of its own, with the ReLU behind it. While it is prepared it runs as one 1×1 convolution of oneDNN to as many
/// channels as a block has values; otherwise as it is. The layer itself stays as it is.
/// </summary>
/// <remarks>
/// What <see cref="FusedConvolution"/> says about changes to the layer, about when it runs as it is, about rounding and about threads holds here too. Layers that look at each place alone can run before the
/// blocks are put in order: <see cref="RunInBlocks"/>, then such layers, then <see cref="FromBlocks"/>.
/// </remarks>
public sealed class FusedTransposedConvolution : IFusedLayer, IDisposable
{
    private static readonly ConvolutionShape Shape = new([0, 0], [1, 1], [1, 1], 1);

    private readonly nn.Module<Tensor, Tensor> _module;
    private readonly ConvTranspose2d? _layer;
    private readonly int _side;
    private readonly Lock _lock = new();
    private PackedConvolution? _packed;
    private bool _prepared;

    /// <summary>Describes a layer; nothing is computed yet.</summary>
    /// <param name="layer">A <c>ConvTranspose2d</c> with a square kernel as large as its stride, without padding, dilation and groups; any other module is accepted and always runs as it is. Stays the caller's.</param>
    public FusedTransposedConvolution(nn.Module<Tensor, Tensor> layer)
    {
        ArgumentNullException.ThrowIfNull(layer);
        _module = layer;
        if (layer is not ConvTranspose2d { groups: 1 } transposed)
            return;
        var side = transposed.weight.shape[2];
        if (transposed.weight.shape[3] == side && All(transposed.stride, side) && All(transposed.padding ?? [], 0) && All(transposed.output_padding ?? [], 0) && All(transposed.dilation, 1))
            (_layer, _side) = (transposed, (int)side);
    }

    /// <summary>Lets it run as one operation from now on. The weights are put in order at the first run with an input of a size.</summary>
    public void Prepare()
    {
        _prepared = true;
        FusedLayers.Add(_module, this);
    }

    /// <summary>Runs as it is from now on and lets go of the ordered weights.</summary>
    public void Release()
    {
        lock (_lock)
        {
            _prepared = false;
            FusedLayers.Remove(_module, this);
            _packed?.Dispose();
            _packed = null;
        }
    }

    /// <summary>Whether the next run with such an input would be one operation.</summary>
    /// <param name="input"><c>[N, C, H, W]</c>.</param>
    public bool IsFusedFor(Tensor input)
    {
        ArgumentNullException.ThrowIfNull(input);
        return _prepared && _layer is not null && !is_grad_enabled() && OneDnn.IsAvailable
            && input.dtype == ScalarType.Float32 && input.device_type == DeviceType.CPU && input.dim() == 4 && input.numel() > 0
            && _layer.weight.dtype == ScalarType.Float32 && !ModuleHooks.Any(_layer);
    }

    /// <summary>Runs the layer.</summary>
    /// <param name="input"><c>[N, C, H, W]</c>; stays the caller's.</param>
    /// <param name="relu">Whether a ReLU follows.</param>
    /// <returns><c>[N, C', H·k, W·k]</c>, the caller's.</returns>
    public Tensor Run(Tensor input, bool relu = false)
    {
        using var scope = NewDisposeScope();
        if (IsFusedFor(input))
            return FromBlocks(RunInBlocks(input, relu), _side).MoveToOuterDisposeScope();
        var output = _module.call(input);
        return (relu ? output.relu_() : output).MoveToOuterDisposeScope();
    }

    /// <summary>Runs the layer and leaves the places of each block side by side: those of place (y, x) are the columns x·k² … x·k² + k² − 1 of row y, row by row of the block.</summary>
    /// <param name="input"><c>[N, C, H, W]</c>, for which <see cref="IsFusedFor"/> holds; stays the caller's.</param>
    /// <param name="relu">Whether a ReLU follows.</param>
    /// <returns><c>[N, C', H, W·k²]</c>, channels innermost; the caller's.</returns>
    public Tensor RunInBlocks(Tensor input, bool relu = false)
    {
        if (!IsFusedFor(input))
            throw new InvalidOperationException($"The layer does not run as one operation for this input. Call {nameof(Run)}, or ask {nameof(IsFusedFor)} first.");
        using var scope = NewDisposeScope();
        var (n, h, w) = (input.shape[0], input.shape[2], input.shape[3]);
        var plain = ChannelsLast.Is(input) ? input : ChannelsLast.Of(input);
        var (packed, weight) = Packed(plain);
        var blocks = FusedLayers.Run(_module, () => OneDnn.Convolve(plain, weight, packed.Bias, Shape, null, relu)); // [N, k·k·C', H, W]
        return blocks.permute(0, 2, 3, 1).reshape(n, h, w * _side * _side, -1).permute(0, 3, 1, 2).MoveToOuterDisposeScope();
    }

    /// <summary>Puts blocks in order.</summary>
    /// <param name="blocks"><c>[N, C, H, W·k²]</c> as <see cref="RunInBlocks"/> gives it; stays the caller's.</param>
    /// <param name="side">k.</param>
    /// <returns><c>[N, C, H·k, W·k]</c>, the caller's.</returns>
    public static Tensor FromBlocks(Tensor blocks, int side)
    {
        ArgumentNullException.ThrowIfNull(blocks);
        using var scope = NewDisposeScope();
        var (n, c, h, w) = (blocks.shape[0], blocks.shape[1], blocks.shape[2], blocks.shape[3] / (side * side));
        return blocks.reshape(n, c, h, w, side, side).permute(0, 1, 2, 4, 3, 5).reshape(n, c, h * side, w * side).MoveToOuterDisposeScope();
    }

    /// <summary>Lets go of the ordered weights; the layer stays.</summary>
    public void Dispose() => Release();

    /// <summary>The same layer alone, prepared without anyone knowing: to time it.</summary>
    internal static FusedTransposedConvolution Alone(nn.Module<Tensor, Tensor> layer) => new(layer) { _prepared = true };

    private (PackedConvolution Packed, Tensor Weight) Packed(Tensor input)
    {
        lock (_lock)
        {
            Tensor?[] sources = [_layer!.weight, _layer.bias];
            if (_packed is null || !_packed.Fits(sources, 0))
            {
                _packed?.Dispose();
                _packed = new PackedConvolution(Shape, sources, 0, Make);
            }

            return (_packed, _packed.For(input.shape));
        }
    }

    // [in, out, k, k] → [k · k · out, in, 1, 1], and the bias once for each place of a block
    private (Tensor Weight, Tensor Bias) Make()
    {
        var weight = _layer!.weight.detach();
        var places = _side * _side;
        var bias = _layer.bias?.detach() ?? zeros(weight.shape[1]);
        return (weight.permute(2, 3, 1, 0).reshape(-1, weight.shape[0], 1, 1).clone(), bias.repeat(places));
    }

    private static bool All(long[] values, long expected) => values.All(value => value == expected);
}
