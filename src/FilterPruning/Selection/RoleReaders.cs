using FilterPruning.Graph;
using FilterPruning.Layers;
using FilterPruning.Recovery;

namespace FilterPruning.Selection;

/// <summary>Measures, from sampled rows, what the readers of a role's channels see of them.</summary>
internal static class RoleReaders
{
    // More rows than this for each channel say little that is new about their covariance.
    private const int RowsPerChannel = 8;
    private const int FewestRows = 4096;

    /// <summary>The readers of some groups, each block of a grouped layer for itself; the caller's. Empty where no layer reads them as a weighted sum, or no input reached one.</summary>
    /// <param name="sample">The rows.</param>
    /// <param name="groups">Indices of the role's groups in the graph.</param>
    /// <param name="sensitivity">How much the model's answers feel each layer's outputs, or null: then each reader counts by its own output, and all alike.</param>
    /// <param name="cancellation">Looked at before each layer.</param>
    public static ReaderList Of(CalibrationSample sample, IReadOnlyList<int> groups, OutputSensitivity? sensitivity = null, CancellationToken cancellation = default)
    {
        var position = groups.Select((group, i) => (group, i)).ToDictionary(pair => pair.group, pair => pair.i);
        var readers = new ReaderList();
        try
        {
            foreach (var layer in sample.Readers.Where(layer => layer.InputGroups.Any(position.ContainsKey)))
            {
                cancellation.ThrowIfCancellationRequested();
                var rows = sample.RowsOf(layer);
                if (rows.Sum(part => part.shape[0]) < 2)
                    continue;
                var intercept = HasBias(layer) || sample.Norms.After(layer) is not null;
                foreach (var layout in ConsumerLayout.Of(layer, new HashSet<int>()))
                {
                    using var scope = NewDisposeScope();
                    if (Of(layer, layout, rows, position, intercept, sensitivity?.Of(layer)) is { } reader)
                        readers.Add(reader);
                }
            }

            foreach (var reader in readers)
                reader.Weight = sensitivity is null ? 1.0 / readers.Count : reader.Energy;
            return readers;
        }
        catch
        {
            readers.Dispose();
            throw;
        }
    }

    private static ReaderMoments? Of(TracedLayer layer, ConsumerLayout layout, IReadOnlyList<Tensor> rows, Dictionary<int, int> position, bool intercept, Tensor? outputScale)
    {
        var groupOf = Enumerable.Range(0, layout.Channels).Select(channel => layer.InputGroups[layout.FirstUnit + layout.Units[channel, 0]]).ToArray();
        int[] mine = [.. Enumerable.Range(0, layout.Channels).Where(channel => position.ContainsKey(groupOf[channel]))];
        if (mine.Length == 0)
            return null;
        var gram = Gram(layout, rows, intercept);
        var metric = Metric(layer, layout, outputScale);
        var energy = (gram * metric).sum().item<double>();
        if (!(energy > 0))
            return null;
        var channels = new List<int>[position.Count];
        for (var i = 0; i < mine.Length; i++)
            (channels[position[groupOf[mine[i]]]] ??= []).Add(i);
        if (mine.Length < layout.Channels)
        {
            var index = tensor(mine.Select(channel => (long)channel).ToArray(), int64);
            (gram, metric) = (gram.index_select(0, index).index_select(1, index), metric.index_select(0, index).index_select(1, index));
        }

        return new ReaderMoments(gram.contiguous(), metric.contiguous(), [.. channels.Select(list => list?.ToArray() ?? [])], energy);
    }

    /// <summary>float64 <c>[channels, channels]</c>: mean products of the channels over rows and positions, about their means where the reader can take up a constant.</summary>
    internal static Tensor Gram(ConsumerLayout layout, IReadOnlyList<Tensor> rows, bool intercept)
    {
        using var scope = NewDisposeScope();
        var units = layout.UnitIndex() + layout.FirstUnit;
        var total = rows.Sum(part => part.shape[0]) * layout.Positions;
        // Every n-th row of each call, so that calls keep their shares.
        var every = Math.Max(1, total / Math.Max(FewestRows, (long)RowsPerChannel * layout.Channels));
        Tensor? shift = null;
        var sum = zeros(layout.Channels, dtype: float64);
        var products = zeros(layout.Channels, layout.Channels, dtype: float64);
        var count = 0L;
        foreach (var part in rows.Where(part => part.shape[0] > 0))
        {
            using var inner = NewDisposeScope();
            var chosen = every == 1 ? part : part.index_select(0, arange(0, part.shape[0], every, dtype: int64));
            var x = chosen.index_select(1, units).reshape(chosen.shape[0], layout.Channels, layout.Positions).transpose(1, 2).reshape(-1, layout.Channels);
            // Products of single precision keep their digits when numbers near the mean are multiplied.
            if (intercept)
                x = x - (shift ??= x.mean([0L]).DetachFromDisposeScope());
            sum.add_(x.sum(0, type: float64));
            products.add_(x.t().mm(x).to(float64));
            count += x.shape[0];
        }

        shift?.Dispose();
        products.div_(count);
        if (intercept)
        {
            var mean = sum / count;
            products.sub_(outer(mean, mean));
        }

        return products.MoveToOuterDisposeScope();
    }

    /// <summary>float64 <c>[channels, channels]</c>: products of the layer's weights on the channels, summed over outputs, positions and taps.</summary>
    internal static Tensor Metric(TracedLayer layer, ConsumerLayout layout, Tensor? outputScale)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var weight = BlockWeight(layer, layout).index_select(1, layout.UnitIndex()).to(float64).cpu();      // [outputs, units, taps]
        if (outputScale is not null)
        {
            var outputs = weight.shape[0];
            weight = weight * outputScale.narrow(0, layout.Block * outputs, outputs).sqrt().reshape(outputs, 1, 1);
        }

        var byChannel = weight.transpose(0, 1).reshape(layout.Channels, -1);        // units are channel-major: [channels, positions · outputs · taps]
        return byChannel.mm(byChannel.t()).MoveToOuterDisposeScope();
    }

    private static bool HasBias(TracedLayer layer) =>
        layer.Rule.Tensors(layer.Module).Any(part => part is { InputAxis: null, OutputAxis: not null, Role: TensorRole.Weight });

    // [outputs of the block, its units, taps], a view
    private static Tensor BlockWeight(TracedLayer layer, ConsumerLayout layout)
    {
        var part = layer.Rule.Tensors(layer.Module).Single(part => part.InputAxis is not null && part.OutputAxis is not null);
        var moved = part.Tensor.detach().movedim([part.OutputAxis!.Value, part.InputAxis!.Value], [0, 1]);
        var flat = moved.dim() == 2 ? moved.unsqueeze(-1) : moved.flatten(2);
        // A grouped layer keeps one axis of a block's width: [out, in / groups] or [in, out / groups].
        var blocks = layer.Mapping == ChannelMapping.Grouped ? layer.Rule.Blocks(layer.Module) : 1;
        var outputs = layer.OutputChannels / blocks;
        var inputs = layer.InputChannels / blocks;
        if (flat.shape[0] == layer.OutputChannels)
            flat = flat.narrow(0, layout.Block * outputs, outputs);
        return flat.shape[1] == inputs ? flat : flat.narrow(1, layout.Block * inputs, inputs);
    }
}

/// <summary>The readers of a role. Owns them.</summary>
internal sealed class ReaderList : List<ReaderMoments>, IDisposable
{
    public void Dispose()
    {
        ForEach(reader => reader.Dispose());
        Clear();
    }
}
