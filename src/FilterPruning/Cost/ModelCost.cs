using FilterPruning.Graph;
using FilterPruning.Layers;

namespace FilterPruning;

/// <summary>Counts parameters and multiply-accumulate operations of a traced model, before a cut, after it, and for a cut that is only planned.</summary>
public static class ModelCost
{
    /// <summary>The cost of a traced model as its tensors are now.</summary>
    /// <param name="graph">The graph of the model; it may have been cut since it was traced.</param>
    /// <returns>
    /// Parameters: every weight and bias, trainable or frozen, of the traced layers, and every other parameter of the model; a tensor that
    /// several layers share counts once. MACs: the calls of the traced forward (their batch and picture sizes) at the present widths.
    /// </returns>
    public static Cost Measure(DependencyGraph graph)
    {
        long macs = 0;
        foreach (var layer in graph.Layers)
        {
            // A grouped layer can become depthwise by a cut, so the mapping is asked anew.
            macs += Macs(layer, layer.Rule.Mapping(layer.Module), layer.Rule.InputChannels(layer.Module), layer.Rule.OutputChannels(layer.Module));
        }

        return new Cost(Parameters(graph, (_, tensor) => tensor.Tensor.numel()), macs);
    }

    /// <summary>The cost after layers lost some of their channels; the model must still have the widths it was traced with.</summary>
    /// <param name="graph">The graph of the model.</param>
    /// <param name="removed">For each layer, by its index in the graph, the number of input and of output channels to go.</param>
    internal static Cost Predict(DependencyGraph graph, Func<int, (int Inputs, int Outputs)> removed)
    {
        var index = new Dictionary<TracedLayer, int>();
        long macs = 0;
        for (var i = 0; i < graph.Layers.Count; i++)
        {
            var layer = graph.Layers[i];
            var (inputs, outputs) = removed(i);
            index[layer] = i;
            macs += Macs(layer, layer.Mapping, layer.InputChannels - inputs, layer.OutputChannels - outputs);
        }

        return new Cost(Parameters(graph, (layer, tensor) => NarrowedSize(layer, tensor, removed(index[layer]))), macs);
    }

    private static long Parameters(DependencyGraph graph, Func<TracedLayer, ChannelTensor, long> size)
    {
        long total = 0;
        var seen = new HashSet<IntPtr>();
        foreach (var layer in graph.Layers)
        {
            foreach (var tensor in layer.Rule.Tensors(layer.Module))
            {
                if (seen.Add(tensor.Tensor.Handle) && tensor.Role == TensorRole.Weight)
                    total += size(layer, tensor);
            }
        }

        foreach (var parameter in graph.Model.parameters())
        {
            if (seen.Add(parameter.Handle))
                total += parameter.numel();
        }

        return total;
    }

    /// <summary>The number of elements of a layer's tensor after the layer lost some of its channels.</summary>
    internal static long NarrowedSize(TracedLayer layer, ChannelTensor tensor, (int Inputs, int Outputs) removed)
    {
        var size = tensor.Tensor.numel();
        if (tensor.OutputAxis is { } output)
            size = Narrowed(size, tensor.Tensor.shape[output], layer.OutputChannels, removed.Outputs);
        if (tensor.InputAxis is { } input && layer.Mapping != ChannelMapping.ChannelWise)
            size = Narrowed(size, tensor.Tensor.shape[input], layer.InputChannels, removed.Inputs);
        return size;
    }

    /// <summary>An axis that holds one block of a grouped layer loses the same share of its length as the layer loses of its channels.</summary>
    private static long Narrowed(long size, long length, int channels, int removed)
        => size / length * (length - (removed * length / channels));

    private static long Macs(TracedLayer layer, ChannelMapping mapping, int inputs, int outputs)
    {
        long pairs = mapping switch
        {
            ChannelMapping.ChannelWise => outputs,
            ChannelMapping.Grouped => (long)inputs * outputs / layer.Rule.Blocks(layer.Module),
            _ => (long)inputs * outputs,
        };

        long perPair = 0;
        foreach (var call in layer.Calls)
            perPair += layer.Rule.MacsPerPair(layer.Module, call.InputShape.ToArray(), call.OutputShape.ToArray());
        return pairs * perPair;
    }
}
