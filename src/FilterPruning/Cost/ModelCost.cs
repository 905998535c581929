using FilterPruning.Graph;
using FilterPruning.Layers;
using FilterPruning.Planning;
using FilterPruning.Storage;

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
            macs += Macs(layer, layer.Rule.Mapping(layer.Module), layer.Rule.InputSides(layer.Module), layer.Rule.OutputChannels(layer.Module));
        }

        return new Cost(Parameters(graph, (_, tensor) => tensor.Tensor.numel()), macs);
    }

    /// <summary>The cost after layers lost certain channels; the model must still have the widths it was traced with.</summary>
    /// <param name="graph">The graph of the model.</param>
    /// <param name="plans">For each layer, by its index in the graph, the channels to go.</param>
    internal static Cost Predict(DependencyGraph graph, IReadOnlyList<LayerPlan> plans)
    {
        var index = new Dictionary<TracedLayer, int>();
        long macs = 0;
        for (var i = 0; i < graph.Layers.Count; i++)
        {
            var layer = graph.Layers[i];
            var plan = plans[i];
            index[layer] = i;
            var (sides, first) = (layer.Rule.InputSides(layer.Module).ToArray(), 0);
            for (var side = 0; side < sides.Length; side++)
            {
                var width = sides[side];
                sides[side] -= Between(plan.RemovedInputs, first, first + width);
                first += width;
            }
            macs += Macs(layer, layer.Mapping, sides, plan.KeptOutputs);
        }

        return new Cost(Parameters(graph, (layer, tensor) => NarrowedSize(layer, tensor, plans[index[layer]])), macs);
    }

    private static int Between(IReadOnlyList<int> channels, int from, int to) => channels.Count(channel => channel >= from && channel < to);

    private static long Parameters(DependencyGraph graph, Func<TracedLayer, ChannelTensor, long> size)
    {
        long total = 0;
        var seen = new HashSet<IntPtr>();
        foreach (var layer in graph.Layers)
        {
            foreach (var tensor in layer.Rule.Tensors(layer.Module))
            {
                if (seen.Add(tensor.Tensor.Identity()) && tensor.Role == TensorRole.Weight)
                    total += size(layer, tensor);
            }
        }

        foreach (var parameter in graph.Model.parameters())
        {
            if (seen.Add(parameter.Identity()))
                total += parameter.numel();
        }

        return total;
    }

    /// <summary>The number of elements of a layer's tensor after the layer lost certain channels.</summary>
    internal static long NarrowedSize(TracedLayer layer, ChannelTensor tensor, LayerPlan plan)
    {
        var size = tensor.Tensor.numel();
        foreach (var axis in tensor.Axes)
        {
            var (channels, gone) = axis.Side == ChannelAxis.Input ? (layer.InputChannels, plan.RemovedInputs) : (layer.OutputChannels, plan.RemovedOutputs);
            var count = axis.Count ?? channels - axis.Offset;
            // An axis that holds one block of a grouped layer, or several copies of its channels, loses the same share of its length as the layer of its channels.
            size = size * (count - Between(gone, axis.Offset, axis.Offset + count)) / count;
        }

        return size;
    }

    private static long Macs(TracedLayer layer, ChannelMapping mapping, IReadOnlyList<int> inputs, int outputs)
    {
        long macs = 0;
        foreach (var call in layer.Calls)
            macs += layer.Rule.Macs(layer.Module, mapping, inputs, outputs, call.InputShape.ToArray(), call.OutputShape.ToArray());
        return macs;
    }
}
