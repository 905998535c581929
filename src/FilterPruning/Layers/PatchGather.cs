using TorchSharp.Modules;

namespace FilterPruning.Layers;

/// <summary>Reads what a convolution's kernel sees at chosen output places, zeros where it reaches over the border.</summary>
internal readonly struct PatchGather
{
    private readonly Tensor _input;
    private readonly int _dimensions;
    private readonly long[] _size;
    private readonly long[] _outputs;
    private readonly long[] _kernel;
    private readonly long[] _stride;
    private readonly long[] _padding;
    private readonly long[] _dilation;

    public PatchGather(Convolution layer, int dimensions, Tensor input)
    {
        _input = input;
        _dimensions = dimensions;
        _size = input.shape[^dimensions..];
        _kernel = layer.kernel_size;
        _stride = layer.stride;
        _padding = layer.padding!;
        _dilation = layer.dilation;
        _outputs = new long[dimensions];
        for (var axis = 0; axis < dimensions; axis++)
            _outputs[axis] = ((_size[axis] + (2 * _padding[axis]) - (_dilation[axis] * (_kernel[axis] - 1)) - 1) / _stride[axis]) + 1;
        Samples = input.dim() == dimensions + 2 ? input.shape[0] : 1;
    }

    /// <summary>Output places, samples included.</summary>
    public long Places => Samples * ConvolutionGroups.Product(_outputs);

    private long Samples { get; }

    /// <summary><c>[places, channels, taps]</c>; the caller's.</summary>
    public Tensor At(long[] places)
    {
        using var scope = NewDisposeScope();
        var channels = _input.shape[^(_dimensions + 1)];
        var byPosition = _input.movedim([_input.dim() - _dimensions - 1], [-1]).reshape(-1, channels);     // [samples × positions, channels]
        var (index, inside) = Indices(places);
        var gathered = byPosition.index_select(0, tensor(index, int64, device: _input.device));
        gathered = gathered * tensor(inside, float32, device: _input.device).to(_input.dtype).unsqueeze(1);
        return gathered.reshape(places.Length, -1, channels).transpose(1, 2).contiguous().MoveToOuterDisposeScope();
    }

    // For every place and tap the position it reads, and whether that lies inside.
    private (long[] Index, float[] Inside) Indices(long[] places)
    {
        var taps = (int)ConvolutionGroups.Product(_kernel);
        var index = new long[places.Length * taps];
        var inside = new float[index.Length];
        var perSample = ConvolutionGroups.Product(_outputs);
        Span<long> corner = stackalloc long[_dimensions];
        for (var i = 0; i < places.Length; i++)
        {
            var rest = places[i] % perSample;
            for (var axis = _dimensions - 1; axis >= 0; axis--)
            {
                corner[axis] = (rest % _outputs[axis] * _stride[axis]) - _padding[axis];
                rest /= _outputs[axis];
            }

            for (var tap = 0; tap < taps; tap++)
            {
                if (Position(corner, tap, places[i] / perSample) is not { } position)
                    continue;
                index[(i * taps) + tap] = position;
                inside[(i * taps) + tap] = 1;
            }
        }

        return (index, inside);
    }

    private long? Position(ReadOnlySpan<long> corner, long tap, long sample)
    {
        var position = 0L;
        var scale = 1L;
        for (var axis = _dimensions - 1; axis >= 0; axis--)
        {
            var at = corner[axis] + (tap % _kernel[axis] * _dilation[axis]);
            if (at < 0 || at >= _size[axis])
                return null;
            position += at * scale;
            scale *= _size[axis];
            tap /= _kernel[axis];
        }

        return position + (sample * scale);
    }
}
