namespace FilterPruning.Inference;

/// <summary>A convolution's bias, and its weight in as many orders as the sizes of its inputs want; mostly one. Made from tensors of layers, and valid as long as these stay as they are.</summary>
internal sealed class PackedConvolution : IDisposable
{
    private readonly TensorStamp[] _stamps;
    private readonly double _eps;
    private readonly Func<(Tensor Weight, Tensor Bias)> _make;
    private readonly Dictionary<(long N, long H, long W, int Threads), Tensor> _bySize = [];
    private readonly List<(byte[] Order, Tensor Weight)> _orders = [];

    /// <param name="shape">The convolution.</param>
    /// <param name="sources">The tensors that weight and bias are made from.</param>
    /// <param name="eps">A number that they are made from.</param>
    /// <param name="make">Makes float32 <c>[out, in / groups, kh, kw]</c> and <c>[out]</c> of their own, in the current scope.</param>
    public PackedConvolution(ConvolutionShape shape, IEnumerable<Tensor?> sources, double eps, Func<(Tensor Weight, Tensor Bias)> make)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        _stamps = [.. sources.Select(tensor => new TensorStamp(tensor))];
        (Shape, _eps, _make) = (shape, eps, make);
        Bias = make().Bias.DetachFromDisposeScope();
    }

    public ConvolutionShape Shape { get; }

    /// <summary>float32 <c>[out]</c>.</summary>
    public Tensor Bias { get; }

    /// <summary>Whether it was made from these tensors as they are now.</summary>
    public bool Fits(IEnumerable<Tensor?> sources, double eps)
    {
        var i = 0;
        foreach (var tensor in sources)
        {
            if (!_stamps[i++].Fits(tensor))
                return false;
        }

        return _eps == eps;
    }

    /// <summary>The weight for inputs <c>[N, C, H, W]</c>; stays this object's.</summary>
    public Tensor For(long[] input)
    {
        var size = (input[0], input[2], input[3], get_num_threads());
        if (_bySize.TryGetValue(size, out var known))
            return known;
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        var packed = OneDnn.Pack(_make().Weight.contiguous(), Shape, input);
        var order = OneDnn.OrderOf(packed);
        var same = _orders.FindIndex(entry => entry.Order.AsSpan().SequenceEqual(order));
        if (same < 0)
        {
            same = _orders.Count;
            _orders.Add((order, packed.DetachFromDisposeScope()));
        }

        return _bySize[size] = _orders[same].Weight;
    }

    public void Dispose()
    {
        foreach (var (_, weight) in _orders)
            weight.Dispose();
        _orders.Clear();
        _bySize.Clear();
        Bias.Dispose();
    }
}
