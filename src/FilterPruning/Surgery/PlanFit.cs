using FilterPruning.Graph;
using FilterPruning.Layers;
using FilterPruning.Planning;
using FilterPruning.Storage;

namespace FilterPruning.Surgery;

/// <summary>Whether a plan can be applied to a graph: the same layers and widths, and every channel group removed wholly or not at all.</summary>
internal static class PlanFit
{
    /// <summary>Checks everything that can be checked without touching the model and lays out the cut of each layer, in the graph's order.</summary>
    public static IReadOnlyList<LayerCut> Prepare(DependencyGraph graph, PruningPlan plan)
    {
        GraphChecks.ThrowIfStale(graph);
        CheckLayers(graph, plan);
        CheckGroups(graph, plan);
        var cuts = graph.Layers.Select(layer => LayerCut.Prepare(layer, plan.Find(layer.Name)!)).ToList();
        CheckSharedTensors(graph, cuts);
        return cuts;
    }

    private static void CheckLayers(DependencyGraph graph, PruningPlan plan)
    {
        var errors = new List<string>();
        foreach (var layer in graph.Layers)
        {
            if (plan.Find(layer.Name) is not { } planned)
                errors.Add($"layer '{layer.Name}' of the model is not in the plan");
            else if (planned.Kind != layer.Kind)
                errors.Add($"layer '{layer.Name}' is a {layer.Kind}, in the plan a {planned.Kind}");
            else if (planned.InputChannels != layer.InputChannels || planned.OutputChannels != layer.OutputChannels)
                errors.Add($"layer '{layer.Name}' is {layer.InputChannels} -> {layer.OutputChannels} channels wide, in the plan {planned.InputChannels} -> {planned.OutputChannels}");
        }

        var names = graph.Layers.Select(layer => layer.Name).ToHashSet(StringComparer.Ordinal);
        errors.AddRange(plan.Layers.Where(layer => !names.Contains(layer.Name)).Select(layer => $"layer '{layer.Name}' of the plan is not in the model"));
        if (errors.Count > 0)
        {
            throw new PruningException(
                $"The plan does not fit the model in {errors.Count} places: {string.Join("; ", errors.Take(5))}. Apply it to the architecture it was made for, or make a new plan.");
        }
    }

    /// <summary>A group that lost only some of its channels would leave layers that disagree about their width or meaning.</summary>
    private static void CheckGroups(DependencyGraph graph, PruningPlan plan)
    {
        var first = new (bool Removed, string Where)?[graph.Groups.Count];
        foreach (var layer in graph.Layers)
        {
            var planned = plan.Find(layer.Name)!;
            if (layer.Mapping == ChannelMapping.ChannelWise)
                CheckChannelWise(layer, planned);
            else
                CheckSide(layer, "input", layer.InputGroups, planned.RemovedInputs);
            CheckSide(layer, "output", layer.OutputGroups, planned.RemovedOutputs);
            if (layer.Mapping == ChannelMapping.Grouped)
                CheckBlocks(layer, planned);
        }

        void CheckSide(TracedLayer layer, string side, int[] groups, IReadOnlyList<int> removed)
        {
            var gone = removed.ToHashSet();
            for (var channel = 0; channel < groups.Length; channel++)
            {
                var group = groups[channel];
                var here = (Removed: gone.Contains(channel), Where: $"{side} channel {channel} of '{layer.Name}'");
                if (here.Removed && graph.Groups[group].Pin is { } pin)
                    throw new PruningException($"The plan removes {here.Where}, which must stay: {pin.Evidence} Make a new plan for this model.");
                if (first[group] is { } other && other.Removed != here.Removed)
                {
                    var (goes, stays) = here.Removed ? (here.Where, other.Where) : (other.Where, here.Where);
                    throw new PruningException($"The plan removes {goes} but keeps {stays}; both belong to channel group {group} and go together. Make a new plan for this model.");
                }

                first[group] ??= here;
            }
        }
    }

    private static void CheckChannelWise(TracedLayer layer, LayerPlan planned)
    {
        if (!planned.RemovedInputs.SequenceEqual(planned.RemovedOutputs))
            throw new PruningException($"The plan removes other input than output channels of '{layer.Name}', whose channels pass straight through. Make a new plan for this model.");
    }

    private static void CheckBlocks(TracedLayer layer, LayerPlan planned)
    {
        var blocks = layer.Rule.Blocks(layer.Module);
        if (!ChannelPositions.SameInEveryBlock(layer.InputChannels, planned.RemovedInputs, blocks)
            || !ChannelPositions.SameInEveryBlock(layer.OutputChannels, planned.RemovedOutputs, blocks))
        {
            throw new PruningException($"The plan does not remove the same positions from each of the {blocks} blocks of '{layer.Name}'. Make a new plan for this model.");
        }
    }

    private static void CheckSharedTensors(DependencyGraph graph, IReadOnlyList<LayerCut> cuts)
    {
        var owners = new Dictionary<IntPtr, TracedLayer>();
        foreach (var layer in graph.Layers)
        {
            foreach (var tensor in layer.Rule.Tensors(layer.Module))
            {
                if (owners.TryAdd(tensor.Tensor.Identity(), layer))
                    continue;
                var other = owners[tensor.Tensor.Identity()];
                if (cuts.Any(cut => cut.Changes && (cut.Layer == layer || cut.Layer == other)))
                {
                    throw new PruningException(
                        $"Layers '{other.Name}' and '{layer.Name}' share the tensor '{tensor.Name}', so that one cannot shrink without the other. "
                        + $"Put one of them into {nameof(PruningOptions)}.{nameof(PruningOptions.Ignore)}, or give each a tensor of its own.");
                }
            }
        }
    }
}
