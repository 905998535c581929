using FilterPruning.Graph;
using FilterPruning.Layers;
using FilterPruning.Planning;
using FilterPruning.Proof;

namespace FilterPruning.Recovery;

/// <summary>One repair: captures the dense model's rows, then fits consumer after consumer. Restores the model when it does not finish.</summary>
internal sealed class RepairSession : IDisposable
{
    private readonly ForwardCapture _capture;
    private readonly IReadOnlyList<ConsumerRepair> _consumers;
    private readonly RepairOptions _options;
    private readonly LayerSources _sources;
    private readonly NormWatch _norms;
    private readonly int _inputs;

    public RepairSession(DependencyGraph graph, PruningPlan plan, IReadOnlyList<Action> forwards, RepairOptions options)
    {
        _options = options;
        _inputs = forwards.Count;
        _sources = new LayerSources(graph);
        _norms = new NormWatch(graph.Layers, _sources);
        _capture = new ForwardCapture(graph, forwards, new RowSampler(options.Seed, options.Rows, forwards.Count));
        GraphChecks.ThrowIfStale(graph);
        _consumers = [.. graph.Layers
            .Where(layer => layer.Mapping != ChannelMapping.ChannelWise && ConsumerRepair.CanRefit(layer))
            .Select(layer => (Layer: layer, Removed: RemovedInputs(layer, plan)))
            .Where(consumer => consumer.Removed.Count > 0)
            .Select(consumer => new ConsumerRepair(consumer.Layer, consumer.Removed.ToHashSet()))];
    }

    public RepairReport Run(CancellationToken cancellation)
    {
        using var quiet = new QuietRun(_capture.Model);
        var finished = false;
        try
        {
            var dense = _capture.Dense([.. _consumers.Select(consumer => consumer.Layer)], _norms, cancellation);
            try
            {
                var report = FitInDataOrder(dense, cancellation);
                finished = true;
                return report;
            }
            finally
            {
                dense.Dispose();
            }
        }
        finally
        {
            if (!finished)
                Restore();
        }
    }

    public void Dispose()
    {
        foreach (var consumer in _consumers)
            consumer.Dispose();
    }

    private RepairReport FitInDataOrder(CapturedRows dense, CancellationToken cancellation)
    {
        var repairs = new List<LayerRepair>();
        foreach (var step in Steps())
        {
            cancellation.ThrowIfCancellationRequested();
            using var pruned = _capture.Again([.. step.Select(consumer => consumer.Layer)], cancellation);
            foreach (var consumer in step)
            {
                var repair = consumer.Fit(dense.Of(consumer.Layer), pruned.Of(consumer.Layer), _norms.After(consumer.Layer), _options);
                dense.Release(consumer.Layer);
                repairs.Add(repair);
                _options.Progress?.Report(new RepairProgress(repair.Layer, repairs.Count, _consumers.Count));
            }
        }

        return new RepairReport(repairs, _inputs);
    }

    // Neighbours in data order that do not feed each other are fitted from one forward.
    private IEnumerable<IReadOnlyList<ConsumerRepair>> Steps()
    {
        var step = new List<ConsumerRepair>();
        var downstream = new HashSet<string>();
        foreach (var layer in _capture.Layers)
        {
            var dependent = _sources.Of(layer).Any(downstream.Contains);
            if (_consumers.FirstOrDefault(consumer => ReferenceEquals(consumer.Layer, layer)) is { } consumer)
            {
                if (dependent)
                {
                    yield return step;
                    step = [];
                    downstream.Clear();
                    dependent = false;
                }

                step.Add(consumer);
                downstream.Add(layer.Name);
            }

            if (dependent)
                downstream.Add(layer.Name);
        }

        if (step.Count > 0)
            yield return step;
    }

    private static IReadOnlyList<int> RemovedInputs(TracedLayer layer, PruningPlan plan)
    {
        var planned = plan.Find(layer.Name);
        if (planned is null || planned.InputChannels != layer.InputChannels || planned.OutputChannels != layer.OutputChannels)
        {
            throw new PruningException(
                $"The plan does not fit the graph at '{layer.Name}': the model has {layer.InputChannels} -> {layer.OutputChannels} channels there, "
                + (planned is null ? "and the plan does not name it." : $"the plan was made for {planned.InputChannels} -> {planned.OutputChannels}.")
                + " Make a plan from this graph.");
        }

        return planned.RemovedInputs;
    }

    private void Restore()
    {
        foreach (var consumer in _consumers)
            consumer.Restore();
    }
}
