using FilterPruning.Graph;
using FilterPruning.Layers;

namespace FilterPruning.Surgery;

/// <summary>Traces a pruned model again and compares its ties with those that the cut should have left.</summary>
internal static class TraceCheck
{
    /// <summary>Throws when a channel is tied to others than before; names the layer.</summary>
    public static void ThrowUnlessSameTies(DependencyGraph before, IReadOnlyList<LayerCut> cuts)
    {
        // Narrowed to as many channels as blocks, a grouped layer is a depthwise one, and its ties are others, rightly.
        if (cuts.Any(cut => cut.Layer.Rule.Mapping(cut.Layer.Module) != cut.Layer.Mapping))
            return;
        var rules = before.Layers.Select(layer => layer.Rule).Distinct().ToList();
        var after = DependencyGraph.Trace(before.Model, _ => before.RunForward(), new TraceOptions { Rules = rules, KnownTies = DecidedTies(before, cuts) });
        var byName = after.Layers.ToDictionary(layer => layer.Name, StringComparer.Ordinal);
        var toNew = new Dictionary<int, (int Group, string Where)>();
        var toOld = new Dictionary<int, (int Group, string Where)>();
        foreach (var cut in cuts)
        {
            var name = cut.Layer.Name;
            if (!byName.TryGetValue(name, out var layer))
                throw new PruningException($"The pruned model does not call layer '{name}' any more. Make the forward's path independent of layer widths.");
            Compare(name, "output", Kept(cut.Layer.OutputGroups, cut.Plan.RemovedOutputs), layer.OutputGroups);
            if (cut.Layer.Mapping != ChannelMapping.ChannelWise)
                Compare(name, "input", Kept(cut.Layer.InputGroups, cut.Plan.RemovedInputs), layer.InputGroups);
        }

        void Compare(string name, string side, int[] expected, int[] actual)
        {
            for (var channel = 0; channel < expected.Length; channel++)
            {
                // What comes from outside is tied to nothing that can be cut.
                if (before.Groups[expected[channel]].Pin?.Reason == PinReason.ModelInput)
                    continue;
                // A few channels are sometimes too few to tell apart; where nothing is known, nothing contradicts.
                if (after.Groups[actual[channel]].Pin?.Reason is PinReason.Mixed or PinReason.NotObserved)
                    continue;
                var where = $"{side} channel {channel} of '{name}'";
                Match(toNew, expected[channel], actual[channel], where, "is tied to another channel than before the cut");
                Match(toOld, actual[channel], expected[channel], where, "is tied to a channel it was not tied to before the cut");
            }
        }
    }

    /// <summary>The ties that were decided before the cut, in the numbers of the cut model.</summary>
    private static List<(ChannelMember, ChannelMember)> DecidedTies(DependencyGraph before, IReadOnlyList<LayerCut> cuts)
    {
        var places = new Dictionary<(string, ChannelAxis), Dictionary<int, int>>();
        foreach (var cut in cuts)
        {
            foreach (var side in new[] { ChannelAxis.Input, ChannelAxis.Output })
                places[(cut.Layer.Name, side)] = cut.Kept(side).Select((channel, place) => (channel, place)).ToDictionary(pair => pair.channel, pair => pair.place);
        }

        // What was decided for two channels of which one is gone still holds for the rest of their group.
        var ties = new List<(ChannelMember, ChannelMember)>();
        var decided = before.DecidedTies.SelectMany(tie => new[] { tie.First, tie.Second }).ToHashSet();
        foreach (var group in before.Groups)
        {
            var left = group.Members.Where(member => decided.Contains(member) && places[(member.Layer, member.Axis)].ContainsKey(member.Channel))
                .Select(member => member with { Channel = places[(member.Layer, member.Axis)][member.Channel] }).ToList();
            for (var i = 1; i < left.Count; i++)
                ties.Add((left[0], left[i]));
        }

        return ties;
    }

    private static void Match(Dictionary<int, (int Group, string Where)> map, int from, int to, string where, string problem)
    {
        if (!map.TryAdd(from, (to, where)) && map[from].Group != to)
            throw new PruningException($"After the cut, {where} {problem}; compare {map[from].Where}. Keep the channels of these layers by the option Ignore.");
    }

    private static int[] Kept(int[] groups, IReadOnlyList<int> removed)
    {
        var gone = removed.ToHashSet();
        return [.. groups.Where((_, channel) => !gone.Contains(channel))];
    }
}
