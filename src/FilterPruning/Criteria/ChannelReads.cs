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
        var readers = graph.Layers.Where(layer => layer.Module is nn.Module<Tensor, Tensor> && reads.Contains(layer.Name))
            .Select(layer => (Layer: layer, Total: new Total(layer.InputChannels))).ToDictionary(reader => reader.Layer.Name, StringComparer.Ordinal);
        var hooks = new List<Action>();
        try
        {
            foreach (var (layer, total) in readers.Values)
            {
                var hook = ((nn.Module<Tensor, Tensor>)layer.Module).register_forward_pre_hook((_, input) =>
                {
                    total.Add(input, layer.Rule.InputAxis(layer.Module, input), measure);
                    return input;
                });
                hooks.Add(hook.remove);
            }

            context.ForEachBatch(batches, seed, gradients: false, (_, _) => { });
        }
        finally
        {
            hooks.ForEach(remove => remove());
        }

        return [.. graph.Groups.Select(group => OfGroup(group, member => readers.GetValueOrDefault(member.Layer).Total, criterion))];
    }

    // A channel-wise layer lists its channels as outputs alone: what a norm sees is not what is read in the end.
    private static HashSet<string> Reads(DependencyGraph graph) =>
        graph.Groups.SelectMany(group => group.Members).Where(member => member.Axis == ChannelAxis.Input).Select(member => member.Layer).ToHashSet(StringComparer.Ordinal);

    private static double? OfGroup(ChannelGroup group, Func<ChannelMember, Total?> find, string criterion)
    {
        var (sum, count) = (0.0, 0L);
        var readers = group.Members.Where(member => member.Axis == ChannelAxis.Input).ToList();
        foreach (var member in readers)
        {
            if (find(member) is not { } total)
                continue;
            sum += total.Sums[member.Channel];
            count += total.Count;
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
        public long Count { get; private set; }

        public void Add(Tensor input, int axis, Func<Tensor, Tensor> measure)
        {
            if (input.numel() == 0 || !input.is_floating_point())
                return;
            using var scope = NewDisposeScope();
            using var noGrad = no_grad();
            var rows = measure(input.detach()).movedim([axis], [0]).reshape(Sums.Length, -1);  // [channels, samples · positions]
            var sums = rows.sum(1, type: float64).cpu().data<double>().ToArray();
            for (var channel = 0; channel < Sums.Length; channel++)
                Sums[channel] += sums[channel];
            Count += rows.shape[1];
        }
    }
}
