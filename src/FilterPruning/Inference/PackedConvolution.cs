using TorchSharp.Modules;

namespace FilterPruning.Inference;

/// <summary>A convolution's folded bias and its folded weight in as many orders as the sizes of its inputs want; mostly one.</summary>
internal sealed class PackedConvolution : IDisposable
{
    private readonly TensorStamp[] _stamps;
    private readonly double _eps;
    private readonly Dictionary<(long N, long H, long W, int Threads), Tensor> _bySize = [];
    private readonly List<(byte[] Order, Tensor Weight)> _orders = [];

    public PackedConvolution(Conv2d layer, NormConstants? norm)
    {
        using var scope = NewDisposeScope();
        _stamps = [.. Tensors(layer, norm).Select(tensor => new TensorStamp(tensor))];
        _eps = norm?.Eps ?? 0;
        Shape = ConvolutionShape.Of(layer)!;
        Bias = FoldedWeights.Of(layer.weight, 0, layer.groups, layer.bias, norm).Bias.DetachFromDisposeScope();
    }

    public ConvolutionShape Shape { get; }

    /// <summary>float32 <c>[out]</c>.</summary>
    public Tensor Bias { get; }

    /// <summary>Whether it was made from these weights as they are now.</summary>
    public bool Fits(Conv2d layer, NormConstants? norm)
    {
        var i = 0;
        foreach (var tensor in Tensors(layer, norm))
        {
            if (!_stamps[i++].Fits(tensor))
                return false;
        }

        return _eps == (norm?.Eps ?? 0);
    }

    /// <summary>The weight for inputs <c>[N, C, H, W]</c>; stays this object's.</summary>
    public Tensor For(Conv2d layer, NormConstants? norm, long[] input)
    {
        var size = (input[0], input[2], input[3], get_num_threads());
        if (_bySize.TryGetValue(size, out var known))
            return known;
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        var weight = FoldedWeights.Of(layer.weight, 0, layer.groups, layer.bias, norm).Weight;
        var packed = OneDnn.Pack(weight.contiguous(), Shape, input);
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

    private static IEnumerable<Tensor?> Tensors(Conv2d layer, NormConstants? norm) =>
        [layer.weight, layer.bias, norm?.Mean, norm?.Variance, norm?.Weight, norm?.Bias];
}
