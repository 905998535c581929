using FilterPruning.Graph;
using FilterPruning.Proof;

namespace FilterPruning.Recovery;

/// <summary>One compensation: means of the dense model, then constant after constant. Restores the model when it does not finish.</summary>
internal sealed class CompensationSession(DependencyGraph graph, IReadOnlyList<MaskedConsumer> consumers, IReadOnlyList<Action> forwards, CompensationOptions options) : IDisposable
{
    private const double LargestScale = 10;

    private readonly ForwardPasses _passes = new(forwards);
    private readonly NormWatch _norms = new(graph.Layers, new LayerSources(graph));
    private readonly Dictionary<TracedLayer, ConsumerMoments> _dense = consumers.ToDictionary(consumer => consumer.Layer, _ => new ConsumerMoments());

    public CompensationReport Run(CancellationToken cancellation)
    {
        using var quiet = new QuietRun(graph.Model);
        using var scope = NewDisposeScope();
        using var copies = new TensorCopies();
        var finished = false;
        try
        {
            var byLayer = consumers.ToDictionary(consumer => consumer.Layer);
            _passes.Whole([.. byLayer.Keys], (layer, x, y) => _dense[layer].Add(byLayer[layer], x, y), _norms.Attach, cancellation);
            foreach (var consumer in consumers)
                consumer.Mask(copies);
            var reports = new List<LayerCompensation>();
            foreach (var consumer in consumers)
            {
                cancellation.ThrowIfCancellationRequested();
                reports.Add(Compensate(consumer, copies, cancellation));
                options.Progress?.Report(new RepairProgress(consumer.Layer.Name, reports.Count, consumers.Count));
            }

            cancellation.ThrowIfCancellationRequested();
            finished = true;
            return new CompensationReport(reports, _passes.Inputs);
        }
        finally
        {
            if (!finished)
                copies.Restore();
        }
    }

    public void Dispose()
    {
        foreach (var moments in _dense.Values)
            moments.Dispose();
    }

    private LayerCompensation Compensate(MaskedConsumer consumer, TensorCopies copies, CancellationToken cancellation)
    {
        using var scope = NewDisposeScope();
        var dense = _dense[consumer.Layer];
        if (dense.Output.Count == 0)
            return new LayerCompensation(consumer.Layer.Name, consumer.RemovedCount, 0, 0, false);
        var constant = dense.Removed.Mean;
        if (options.InOrder)
        {
            using var now = OutputNow(consumer, cancellation);
            if (now.Count > 1)
            {
                if (options.MatchVariance)
                {
                    var scale = ((dense.Output.UnbiasedVariance() + 1e-12) / (now.UnbiasedVariance() + 1e-12)).sqrt().clamp(1 / LargestScale, LargestScale);
                    constant = dense.Output.Mean - (consumer.Scale(scale, copies) * now.Mean);
                }
                else
                {
                    constant = dense.Output.Mean - now.Mean;
                }
            }
        }

        var taken = consumer.Add(constant, _norms.After(consumer.Layer), copies);
        var energy = dense.Output.MeanSquare().sum().item<double>();
        var (before, after) = (dense.Removed.MeanSquare().sum().item<double>(), (dense.Removed.SquaredDeviations / dense.Removed.Count).sum().item<double>());
        return energy > 0
            ? new LayerCompensation(consumer.Layer.Name, consumer.RemovedCount, before / energy, (taken ? after : before) / energy, taken)
            : new LayerCompensation(consumer.Layer.Name, consumer.RemovedCount, 0, 0, taken);
    }

    private ChannelMoments OutputNow(MaskedConsumer consumer, CancellationToken cancellation)
    {
        var moments = new ChannelMoments();
        _passes.UpTo(
            [consumer.Layer],
            (layer, x) =>
            {
                using var output = ((nn.Module<Tensor, Tensor>)layer.Module).forward(x);
                moments.Add(output, layer.Rule.OutputAxis(layer.Module, output));
            },
            cancellation);
        return moments;
    }

    /// <summary>What a consumer gave in the dense model, and the part of it that came from the removed inputs.</summary>
    private sealed class ConsumerMoments : IDisposable
    {
        public ChannelMoments Output { get; } = new();

        public ChannelMoments Removed { get; } = new();

        public void Add(MaskedConsumer consumer, Tensor input, Tensor output)
        {
            using var part = consumer.Contribution(input);
            var axis = consumer.Layer.Rule.OutputAxis(consumer.Layer.Module, output);
            Output.Add(output, axis);
            Removed.Add(part, axis);
        }

        public void Dispose()
        {
            Output.Dispose();
            Removed.Dispose();
        }
    }
}
