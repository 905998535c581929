using System.Runtime.InteropServices;
using FilterPruning.Detection.Onnx.Schema;
using FilterPruning.Inference;

namespace FilterPruning.Detection.Onnx;

/// <summary>Puts a layer's tensors into a graph: float32, or float16 with a cast beside it.</summary>
internal sealed class WeightWriter(GraphBuilder graph, bool halfPrecision)
{
    private readonly Dictionary<string, Value> _written = new(StringComparer.Ordinal);

    /// <summary>The graph.</summary>
    public GraphBuilder Graph => graph;

    /// <summary>Adds a tensor once under its name; a second call gives the same value.</summary>
    public Value Add(string name, Tensor tensor)
    {
        if (_written.TryGetValue(name, out var known))
            return known;
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        var value = halfPrecision && tensor.dim() >= 2
            ? graph.Node("Cast", [Raw($"{name}.f16", tensor, ScalarType.Float16, TensorProto.Types.DataType.Float16)], ("to", (long)TensorProto.Types.DataType.Float))
            : Raw(name, tensor, ScalarType.Float32, TensorProto.Types.DataType.Float);
        return _written[name] = value;
    }

    /// <summary>
    /// A convolution's weight and bias with the norm behind it folded in: <c>W' = s · W</c>, <c>b' = t + s · b</c>, in double and rounded once. With half precision the weight is stored as it is and
    /// multiplied by s in the graph, where the runtime does it once: norms scale some filters to where float16 has few digits left.
    /// </summary>
    /// <param name="path">The convolution's path, which names what is written.</param>
    /// <param name="weight">The outputs on axis 0.</param>
    /// <param name="bias"><c>[out]</c> or null.</param>
    /// <param name="norm">The norm behind it, or null.</param>
    public (Value Weight, Value? Bias) Folded(string path, Tensor weight, Tensor? bias, NormConstants? norm)
    {
        var (weightName, biasName) = ($"{path}.weight", $"{path}.bias");
        if (norm is null)
            return (Add(weightName, weight), bias is null ? null : Add(biasName, bias));
        if (_written.TryGetValue($"{weightName}.folded", out var known))
            return (known, _written[biasName]);

        using var scope = NewDisposeScope();
        using var guard = no_grad();
        var scale = (norm.Variance.detach().to(float64) + norm.Eps).rsqrt();
        if (norm.Weight is not null)
            scale = scale * norm.Weight.detach().to(float64);
        var shift = -norm.Mean.detach().to(float64) * scale;
        if (norm.Bias is not null)
            shift = shift + norm.Bias.detach().to(float64);
        if (bias is not null)
            shift = shift + scale * bias.detach().to(float64);
        long[] alongOutputs = [scale.shape[0], .. Enumerable.Repeat(1L, (int)weight.dim() - 1)];
        // One axis only, so that the scale itself stays float32.
        var folded = halfPrecision ? Add(weightName, weight) * Add($"{path}.scale", scale).Reshape(alongOutputs) : Add(weightName, weight.detach().to(float64) * scale.view(alongOutputs));
        _written[$"{weightName}.folded"] = folded;
        return (folded, Add(biasName, shift));
    }

    private Value Raw(string name, Tensor tensor, ScalarType type, TensorProto.Types.DataType stored)
    {
        var plain = tensor.detach().to(type).cpu().contiguous();
        return graph.Weight(name, stored, plain.shape, Bytes(plain));
    }

    private static byte[] Bytes(Tensor tensor) => tensor.numel() == 0 ? [] : MemoryMarshal.AsBytes(tensor.bytes).ToArray();
}
