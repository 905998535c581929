namespace FilterPruning.Planning;

/// <summary>Two cuts, one after the other, as one.</summary>
internal static class PlanComposition
{
    public static PruningPlan Compose(PruningPlan first, PruningPlan next)
    {
        var layers = new List<LayerPlan>();
        foreach (var before in first.Layers)
        {
            var after = next.Find(before.Name)
                ?? throw new PruningException($"The second plan has no layer '{before.Name}', which the first one has. Compose plans of one architecture only.");
            if (after.InputChannels != before.KeptInputs || after.OutputChannels != before.KeptOutputs)
            {
                throw new PruningException(
                    $"The second plan starts with layer '{before.Name}' at {after.InputChannels} inputs and {after.OutputChannels} outputs, but the first plan leaves it with "
                    + $"{before.KeptInputs} and {before.KeptOutputs}. Compose plans in the order in which they were applied.");
            }

            layers.Add(before with
            {
                RemovedInputs = Union(before.InputChannels, before.RemovedInputs, after.RemovedInputs),
                RemovedOutputs = Union(before.OutputChannels, before.RemovedOutputs, after.RemovedOutputs),
                Scores = after.Scores ?? before.Scores,
                Skipped = after.Skipped,
            });
        }

        if (next.Layers.FirstOrDefault(layer => first.Find(layer.Name) is null) is { } extra)
            throw new PruningException($"The second plan has a layer '{extra.Name}', which the first one lacks. Compose plans of one architecture only.");
        return new PruningPlan(next.Settings, first.Before, next.Predicted, first.TotalGroups, first.RemovedGroups + next.RemovedGroups, layers);
    }

    /// <summary>The second list counts among the channels that the first one leaves.</summary>
    private static int[] Union(int channels, IReadOnlyList<int> first, IReadOnlyList<int> second)
    {
        var gone = first.ToHashSet();
        var left = Enumerable.Range(0, channels).Where(channel => !gone.Contains(channel)).ToArray();
        gone.UnionWith(second.Select(channel => left[channel]));
        return [.. gone.Order()];
    }
}
