using FilterPruning.Graph;
using FilterPruning.Layers;

namespace FilterPruning.Planning;

/// <summary>Bytes of the tensors in a model's state dict: what a file holds beside its header.</summary>
internal static class StoredBytes
{
    /// <summary>As the tensors are now.</summary>
    public static long Measure(DependencyGraph graph) => Predict(graph, _ => (0, 0));

    /// <summary>After layers lost some of their channels; the model must still have the widths it was traced with.</summary>
    /// <param name="graph">The graph of the model.</param>
    /// <param name="removed">For each layer, by its index in the graph, the number of input and of output channels to go.</param>
    public static long Predict(DependencyGraph graph, Func<int, (int Inputs, int Outputs)> removed)
    {
        var narrowed = new Dictionary<IntPtr, long>();
        for (var i = 0; i < graph.Layers.Count; i++)
        {
            var layer = graph.Layers[i];
            foreach (var tensor in layer.Rule.Tensors(layer.Module))
                narrowed.TryAdd(tensor.Tensor.Handle, ModelCost.NarrowedSize(layer, tensor, removed(i)));
        }

        long bytes = 0;
        // A tensor that stands under two names is stored twice.
        foreach (var (_, tensor) in graph.Model.state_dict())
            bytes += tensor.element_size() * (narrowed.TryGetValue(tensor.Handle, out var size) ? size : tensor.numel());
        return bytes;
    }
}
