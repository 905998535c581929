using TorchSharp.Modules;

namespace FilterPruning.Inference;

/// <summary>
/// A linear layer with the ReLU behind it. While it is prepared it runs as one operation of oneDNN on weights in the order of the processor's kernel; otherwise as it is. The layer itself stays as it is.
/// </summary>
/// <remarks>
/// <para>Rows by features lie in memory like a map one place high with the channels innermost, so the layer is a 1×1 convolution. Its kernel is as fast at odd widths as at even ones, which libtorch's own
/// linear layer is not: 922 outputs from 11,270 inputs take it longer than 1,024 from 12,544.</para>
/// <para>What <see cref="FusedConvolution"/> says about changes to the layer, about when it runs as it is, about rounding and about threads holds here too.</para>
/// </remarks>
public sealed class FusedLinear : IFusedLayer, IDisposable
{
    // Which order of the weights the kernel wants changes with the number of rows, and at narrow widths with no pattern; a wrong order costs several times the layer's own time. So rows are filled up to a
    // multiple of this, which makes few numbers to ask for, and none to fill up at the usual 1000 or 2000.
    private const long RowStep = 40;

    // Fewer rows take the layer as it is: filling up would cost more than it saves.
    private const long FewestRows = 128;

    private static readonly ConvolutionShape Shape = new([0, 0], [1, 1], [1, 1], 1);

    private readonly Linear? _layer;
    private readonly nn.Module<Tensor, Tensor> _module;
    private readonly Lock _lock = new();
    private PackedConvolution? _packed;
    private bool _prepared;

    /// <summary>Describes a layer; nothing is computed yet.</summary>
    /// <param name="layer">A <c>Linear</c>; any other module is accepted and always runs as it is. Stays the caller's.</param>
    public FusedLinear(nn.Module<Tensor, Tensor> layer)
    {
        ArgumentNullException.ThrowIfNull(layer);
        (_module, _layer) = (layer, layer as Linear);
    }

    /// <summary>Lets it run as one operation from now on. The weights are put in order at the first run.</summary>
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
    /// <param name="input"><c>[N, in]</c>.</param>
    public bool IsFusedFor(Tensor input)
    {
        ArgumentNullException.ThrowIfNull(input);
        return _prepared && _layer is not null && !is_grad_enabled() && OneDnn.IsAvailable
            && input.dtype == ScalarType.Float32 && input.device_type == DeviceType.CPU && input.dim() == 2 && input.shape[0] >= FewestRows && input.shape[1] > 1 && _layer.weight.shape[0] > 1
            && _layer.weight.dtype == ScalarType.Float32 && !ModuleHooks.Any(_layer);
    }

    /// <summary>Runs the layer.</summary>
    /// <param name="input"><c>[N, in]</c>; stays the caller's.</param>
    /// <param name="relu">Whether a ReLU follows.</param>
    /// <returns><c>[N, out]</c>, the caller's.</returns>
    public Tensor Run(Tensor input, bool relu = false)
    {
        using var scope = NewDisposeScope();
        if (!IsFusedFor(input))
            return Plain(input, relu).MoveToOuterDisposeScope();
        var rows = input.shape[0];
        var filled = (rows + RowStep - 1) / RowStep * RowStep;
        var (packed, weight) = Packed(filled);
        var map = FilledUp(input, filled).view(1, 1, filled, input.shape[1]).permute(0, 3, 1, 2); // [1, in, 1, M]
        var output = FusedLayers.Run(_module, () => OneDnn.Convolve(map, weight, packed.Bias, packed.Shape, null, relu)); // [1, out, 1, M]
        return output.permute(0, 2, 3, 1).reshape(filled, -1).narrow(0, 0, rows).MoveToOuterDisposeScope();
    }

    /// <summary>Lets go of the ordered weights; the layer stays.</summary>
    public void Dispose() => Release();

    private Tensor Plain(Tensor input, bool relu)
    {
        var output = _module.call(input);
        return relu ? output.relu_() : output;
    }

    /// <summary>The same layer alone, prepared without anyone knowing: to time it.</summary>
    internal static FusedLinear Alone(nn.Module<Tensor, Tensor> layer) => new(layer) { _prepared = true };

    // [N, in] → [M, in] with rows of zeros at the end
    private static Tensor FilledUp(Tensor input, long rows)
    {
        if (input.shape[0] == rows)
            return input.contiguous();
        var filled = empty([rows, input.shape[1]]);
        filled.narrow(0, 0, input.shape[0]).copy_(input);
        filled.narrow(0, input.shape[0], rows - input.shape[0]).zero_();
        return filled;
    }

    private (PackedConvolution Packed, Tensor Weight) Packed(long rows)
    {
        lock (_lock)
        {
            Tensor?[] sources = [_layer!.weight, _layer.bias];
            if (_packed is null || !_packed.Fits(sources, 0))
            {
                _packed?.Dispose();
                _packed = new PackedConvolution(Shape, sources, 0, Make);
            }

            return (_packed, _packed.For([1, _layer.weight.shape[1], 1, rows]));
        }
    }

    // [out, in] → [out, in, 1, 1]
    private (Tensor Weight, Tensor Bias) Make()
    {
        var weight = _layer!.weight.detach();
        return (weight.unsqueeze(2).unsqueeze(3), _layer.bias?.detach().clone() ?? zeros(weight.shape[0]));
    }
}
