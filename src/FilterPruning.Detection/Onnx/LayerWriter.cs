using FilterPruning.Detection.Ops;
using FilterPruning.Inference;
using TorchSharp.Modules;

namespace FilterPruning.Detection.Onnx;

/// <summary>Writes the layers that a detector is made of: convolutions with the norm behind them folded in, linear layers, ReLU, pooling. Everything else is refused by its name.</summary>
internal sealed class LayerWriter(WeightWriter weights)
{
    private const string Known = "Conv2d, ConvTranspose2d, Linear, BatchNorm2d, FrozenBatchNorm2d, ReLU, MaxPool2d, Sequential, Dropout and Identity";

    private GraphBuilder Graph => weights.Graph;

    /// <summary>Modules that are called one after another; a <c>Sequential</c> stands for what is in it.</summary>
    public Value Chain(Value x, params ModuleAt[] modules)
    {
        ModuleAt[] leaves = [.. modules.SelectMany(Leaves)];
        for (var i = 0; i < leaves.Length; i++)
        {
            if (leaves[i].Module is Conv2d)
            {
                var norm = i + 1 < leaves.Length && IsNorm(leaves[i + 1]) ? leaves[++i] : (ModuleAt?)null;
                x = Convolution(x, norm is null ? leaves[i] : leaves[i - 1], norm);
            }
            else
            {
                x = Leaf(x, leaves[i]);
            }
        }

        return x;
    }

    private Value Leaf(Value x, ModuleAt at)
    {
        Graph.Enter(at.Path);
        switch (at.Module)
        {
            case ConvTranspose2d:
                return Transposed(x, at);
            case Linear:
                at.As<Linear>();
                return FullyConnected(x, at);
            case ReLU:
                at.As<ReLU>();
                return x.Relu();
            case MaxPool2d:
                return MaxPool(x, at);
            case Identity:
                at.As<Identity>();
                return x;
            case Dropout { training: false }:
                at.As<Dropout>();
                return x;
            case var _ when IsNorm(at):
                return Norm(x, at);
            default:
                throw at.Unknown(Known);
        }
    }

    private Value Convolution(Value x, ModuleAt at, ModuleAt? norm)
    {
        var layer = at.As<Conv2d>();
        if (layer.padding_mode != PaddingModes.Zeros || layer.padding is not { } padding || layer.padding_type is not null)
            throw at.Unknown("a convolution that pads by a given number of zeros");
        Graph.Enter(at.Path);
        var (weight, bias) = weights.Folded(at.Path, at.Tensor("weight")!, at.Tensor("bias"), norm is { } behind ? Constants(behind) : null);
        Graph.Enter(at.Path);
        return Graph.Node(
            "Conv", bias is { } b ? [x, weight, b] : [x, weight],
            ("kernel_shape", layer.weight.shape[2..]), ("strides", Two(layer.stride)), ("pads", Pads(padding)), ("dilations", Two(layer.dilation)), ("group", layer.groups));
    }

    private Value Transposed(Value x, ModuleAt at)
    {
        var layer = at.As<ConvTranspose2d>();
        if (layer.padding is not { } padding || layer.padding_type is not null)
            throw at.Unknown("a transposed convolution that pads by a given number of zeros");
        var weight = weights.Add($"{at.Path}.weight", at.Tensor("weight")!);
        Value[] inputs = at.Tensor("bias") is { } bias ? [x, weight, weights.Add($"{at.Path}.bias", bias)] : [x, weight];
        return Graph.Node(
            "ConvTranspose", inputs,
            ("kernel_shape", layer.weight.shape[2..]), ("strides", Two(layer.stride)), ("pads", Pads(padding)), ("dilations", Two(layer.dilation)), ("group", layer.groups),
            ("output_padding", Two(layer.output_padding ?? [0, 0])));
    }

    private Value FullyConnected(Value x, ModuleAt at)
    {
        var weight = weights.Add($"{at.Path}.weight", at.Tensor("weight")!);
        Value[] inputs = at.Tensor("bias") is { } bias ? [x, weight, weights.Add($"{at.Path}.bias", bias)] : [x, weight];
        return Graph.Node("Gemm", inputs, ("transB", 1L));
    }

    private Value MaxPool(Value x, ModuleAt at)
    {
        var layer = at.As<MaxPool2d>();
        var kernel = Two(layer.kernel_size);
        return Graph.Node(
            "MaxPool", [x],
            ("kernel_shape", kernel), ("strides", Two(layer.stride ?? kernel)), ("pads", Pads(layer.padding ?? [0, 0])), ("dilations", Two(layer.dilation ?? [1, 1])),
            ("ceil_mode", layer.ceil_mode ? 1L : 0L));
    }

    // A norm that no convolution stands in front of: one multiplication and one sum.
    private Value Norm(Value x, ModuleAt at)
    {
        if (Constants(at) is not { } constants)
            return x;
        using var scope = NewDisposeScope();
        using var identity = ones(constants.Mean.shape[0], 1, 1, dtype: float64);
        var (scale, shift) = weights.Folded(at.Path, identity, null, constants);
        return x * scale + shift!.Value.Reshape(-1, 1, 1);
    }

    // What a norm multiplies and adds; null where the layer before it does that already.
    private static NormConstants? Constants(ModuleAt at)
    {
        if (at.Module is FrozenBatchNorm2d)
            at.As<FrozenBatchNorm2d>();
        else
            at.As<BatchNorm2d>();
        foreach (var name in new[] { "weight", "bias", "running_mean", "running_var", "num_batches_tracked" })
            at.Tensor(name);
        if (at.Module is IConstantNorm { IsFolded: true })
            return null;
        return NormConstants.Of(at.Module) ?? throw new PruningException(
            $"'{at.Path}' is a {at.Module.GetType().Name} that uses the statistics of each batch, which the graph cannot. Call eval() on the detector before the export.");
    }

    private static bool IsNorm(ModuleAt at) => at.Module is FrozenBatchNorm2d or BatchNorm2d;

    private static IEnumerable<ModuleAt> Leaves(ModuleAt at)
    {
        if (at.Module is not Sequential)
            return [at];
        at.As<Sequential>();
        return at.Children().SelectMany(Leaves);
    }

    private static long[] Two(long[] values) => values.Length == 1 ? [values[0], values[0]] : [values[0], values[1]];

    // The same before and behind, rows first.
    private static long[] Pads(long[] padding) => [.. Two(padding), .. Two(padding)];
}
