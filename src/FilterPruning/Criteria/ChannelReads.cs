using FilterPruning.Graph;

namespace FilterPruning.Criteria;

/// <summary>Measures what channels carry where they are read: at the inputs of the layers that consume a channel group, after activation functions and norms.</summary>
internal static class ChannelReads
{
    /// <summary>The mean of a measure over all numbers that are read of each channel group: all readers, calls and batches, all samples and positions.</summary>
    /// <param name="context">The guarded model.</param>
    /// <param name="criterion">The criterion's name, for messages.</param>
    /// <param name="batches">Run without a history; what they return is not looked at.</param>
    /// <param name="seed">Seed of everything random in the forwards.</param>
    /// <param name="measure">From what a layer reads, a tensor of the same shape.</param>
    /// <returns>By index of the group; null for groups that stay and that nothing reads.</returns>
    /// <exception cref="PruningException">A group that may be removed was not read in any batch.</exception>
    public static double?[] Mean(CriterionContext context, string criterion, ICalibrationBatches batches, int seed, Func<Tensor, Tensor> measure)
    {
        var graph = context.Graph;
        var reads = Reads(graph);
        var totals = new Dictionary<string, Total>(StringComparer.Ordinal);
        var hooks = new List<Action>();
        try
        {
            foreach (var layer in graph.Layers.Where(layer => reads.Contains(layer.Name)))
            {
                var total = new Total(layer.InputChannels);
                if (Watch(layer, (input, axis) => total.Add(input, axis, measure)) is not { } remove)
                    continue;
                totals.Add(layer.Name, total);
                hooks.Add(remove);
            }

            context.ForEachBatch(batches, seed, gradients: false, (_, _) => { });
        }
        finally
        {
            hooks.ForEach(remove => remove());
        }

        return [.. graph.Groups.Select(group => OfGroup(group, totals, criterion))];
    }

    /// <summary>Looks at what goes into a layer, and along which axis its channels lie.</summary>
    /// <returns>Ends the watch; null for layers that cannot be watched.</returns>
    private static Action? Watch(TracedLayer layer, Action<Tensor, int> look)
    {
        if (layer.Module is not nn.Module<Tensor, Tensor> module)
            return null;
        return module.register_forward_pre_hook((_, input) =>
        {
            look(input, layer.Rule.InputAxis(module, input));
            return input;
        }).remove;
    }

    // A channel-wise layer lists its channels as outputs alone: what a norm sees is not what is read in the end.
    private static HashSet<string> Reads(DependencyGraph graph) =>
        graph.Groups.SelectMany(group => group.Members).Where(member => member.Axis == ChannelAxis.Input).Select(member => member.Layer).ToHashSet(StringComparer.Ordinal);

    private static double? OfGroup(ChannelGroup group, Dictionary<string, Total> totals, string criterion)
    {
        var (sum, count) = (0.0, 0L);
        var readers = group.Members.Where(member => member.Axis == ChannelAxis.Input).ToList();
        foreach (var member in readers)
        {
            if (!totals.TryGetValue(member.Layer, out var total))
                continue;
            sum += total.Sums[member.Channel];
            count += total.Counts[member.Channel];
        }

        if (count > 0)
            return sum / count;
        if (group.Pin is not null)
            return null;
        var names = string.Join(", ", readers.Select(member => $"'{member.Layer}'").Distinct().Take(5));
        throw new PruningException(
            $"The criterion '{criterion}' looks at what layers read, but no batch brought anything to {(names.Length > 0 ? names : "a reader of group " + group.Index)}. "
            + "Give batches that run the traced model and reach all of it; layers that take more than one tensor are not looked at.");
    }

    /// <summary>What one layer has read so far, by its input channels.</summary>
    private sealed class Total(int channels)
    {
        public double[] Sums { get; } = new double[channels];

        /// <summary>Numbers read of each channel.</summary>
        public long[] Counts { get; } = new long[channels];

        public void Add(Tensor input, int axis, Func<Tensor, Tensor> measure)
        {
            if (input.numel() == 0 || !input.is_floating_point())
                return;
            using var scope = NewDisposeScope();
            using var noGrad = no_grad();
            var rows = measure(input.detach()).movedim([axis], [0]).reshape(input.shape[axis], -1);  // [channels, samples · positions]
            var sums = rows.sum(1, type: float64).cpu().data<double>().ToArray();
            for (var channel = 0; channel < Sums.Length; channel++)
            {
                Sums[channel] += sums[channel];
                Counts[channel] += rows.shape[1];
            }
        }
    }
}
