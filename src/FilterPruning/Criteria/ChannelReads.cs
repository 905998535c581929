using FilterPruning.Graph;
using FilterPruning.Layers;

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
    /// <returns>By index of the group; null for groups that no layer reads which can be looked at, and for groups that stay and that no batch reached. At least one is not null.</returns>
    /// <exception cref="PruningException">A group that may be removed was not read in any batch, or nothing was read at all.</exception>
    public static double?[] Mean(CriterionContext context, string criterion, ICalibrationBatches batches, int seed, Func<Tensor, Tensor> measure)
    {
        var graph = context.Graph;
        var reads = Reads(graph);
        var totals = new Dictionary<string, Total>(StringComparer.Ordinal);
        var hooks = new List<IDisposable>();
        try
        {
            foreach (var layer in graph.Layers.Where(layer => reads.Contains(layer.Name)))
            {
                var total = new Total(layer.InputChannels);
                hooks.Add(Watch(layer, (input, port) => total.Add(input, port, measure)));
                totals.Add(layer.Name, total);
            }

            context.ForEachBatch(batches, seed, gradients: false, (_, _) => { });
        }
        finally
        {
            hooks.ForEach(hook => hook.Dispose());
        }

        double?[] means = [.. graph.Groups.Select(group => OfGroup(group, totals, criterion))];
        return means.Any(mean => mean is not null) ? means : throw Unread(criterion, "any layer");
    }

    /// <summary>Looks at what goes into a layer, and where its input channels lie.</summary>
    private static IDisposable Watch(TracedLayer layer, Action<Tensor, TensorPort> look) => layer.Rule.Watch(layer.Module, new CallWatcher(
        inputs =>
        {
            foreach (var port in layer.Rule.InputPorts(layer.Module, inputs).Where(port => port.Side == ChannelAxis.Input))
            {
                if (inputs[port.Index] is { } input)
                    look(input, port);
            }

            return inputs;
        }, null));

    // A channel-wise layer lists its channels as outputs alone: what a norm sees is not what is read in the end.
    private static HashSet<string> Reads(DependencyGraph graph) =>
        graph.Groups.SelectMany(group => group.Members).Where(member => member.Axis == ChannelAxis.Input).Select(member => member.Layer).ToHashSet(StringComparer.Ordinal);

    private static double? OfGroup(ChannelGroup group, Dictionary<string, Total> totals, string criterion)
    {
        var (sum, count) = (0.0, 0L);
        var readers = group.Members.Where(member => member.Axis == ChannelAxis.Input && totals.ContainsKey(member.Layer)).ToList();
        foreach (var member in readers)
        {
            sum += totals[member.Layer].Sums[member.Channel];
            count += totals[member.Layer].Counts[member.Channel];
        }

        if (count > 0)
            return sum / count;
        return group.Pin is not null || readers.Count == 0
            ? null
            : throw Unread(criterion, string.Join(", ", readers.Select(member => $"'{member.Layer}'").Distinct().Take(5)));
    }

    private static PruningException Unread(string criterion, string layers) => new(
        $"The criterion '{criterion}' looks at what layers read, but no batch brought anything to {layers}. Give batches that run the traced model and reach all of it.");

    /// <summary>What one layer has read so far, by its input channels.</summary>
    private sealed class Total(int channels)
    {
        public double[] Sums { get; } = new double[channels];

        /// <summary>Numbers read of each channel.</summary>
        public long[] Counts { get; } = new long[channels];

        public void Add(Tensor input, TensorPort port, Func<Tensor, Tensor> measure)
        {
            if (input.numel() == 0 || !input.is_floating_point())
                return;
            using var scope = NewDisposeScope();
            using var noGrad = no_grad();
            var rows = measure(input.detach()).movedim([port.Axis], [0]).reshape(input.shape[port.Axis], -1);  // [channels, samples · positions]
            var sums = rows.sum(1, type: float64).cpu().data<double>().ToArray();
            for (var position = 0; position < sums.Length; position++)
            {
                Sums[port.Channel(position)] += sums[position];
                Counts[port.Channel(position)] += rows.shape[1];
            }
        }
    }
}
