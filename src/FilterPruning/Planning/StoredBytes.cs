using FilterPruning.Graph;

namespace FilterPruning.Planning;

/// <summary>Bytes of the tensors in a model's state dict: what a file holds beside its header.</summary>
internal static class StoredBytes
{
    /// <summary>As the tensors are now.</summary>
    public static long Measure(DependencyGraph graph) => graph.Model.state_dict().Values.Sum(tensor => tensor.element_size() * tensor.numel());

    /// <summary>After layers lost certain channels; the model must still have the widths it was traced with.</summary>
    /// <param name="graph">The graph of the model.</param>
    /// <param name="plans">For each layer, by its index in the graph, the channels to go.</param>
    public static long Predict(DependencyGraph graph, IReadOnlyList<LayerPlan> plans)
    {
        var narrowed = new Dictionary<IntPtr, long>();
        for (var i = 0; i < plans.Count; i++)
        {
            var layer = graph.Layers[i];
            foreach (var tensor in layer.Rule.Tensors(layer.Module))
                narrowed.TryAdd(tensor.Tensor.Handle, ModelCost.NarrowedSize(layer, tensor, plans[i]));
        }

        // A tensor that stands under two names is stored twice.
        return graph.Model.state_dict().Values.Sum(tensor => tensor.element_size() * (narrowed.TryGetValue(tensor.Handle, out var size) ? size : tensor.numel()));
    }
}
