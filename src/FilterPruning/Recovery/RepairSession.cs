using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Proof;

namespace FilterPruning.Recovery;

/// <summary>One repair: fits consumer after consumer while the calibration forwards run in lockstep. Restores the model when it does not finish.</summary>
internal sealed class RepairSession : IDisposable
{
    private readonly CalibrationSample _sample;
    private readonly IReadOnlyList<ConsumerRepair> _consumers;
    private readonly RepairOptions _options;
    private readonly List<LayerRepair> _repairs = [];

    public RepairSession(CalibrationSample sample, PruningPlan plan, RepairOptions options)
    {
        _sample = sample;
        _options = options;
        GraphChecks.ThrowIfStale(sample.Graph);
        _consumers = [.. sample.Readers
            .Select(layer => (Layer: layer, Removed: RepairChecks.RemovedInputs(layer, plan)))
            .Where(consumer => consumer.Removed.Count > 0)
            .Select(consumer => new ConsumerRepair(consumer.Layer, consumer.Removed.ToHashSet(), options.Patches && RowSampler.CanGather(consumer.Layer)))];
    }

    public RepairReport Run(CancellationToken cancellation)
    {
        using var quiet = new QuietRun(_sample.Graph.Model, "a repair");
        var finished = false;
        try
        {
            for (var left = _consumers; left.Count > 0;)
                left = new RepairWave(_sample, left, Fit, isFirst: ReferenceEquals(left, _consumers)).Run(cancellation);
            finished = true;
            var order = _consumers.Select((consumer, place) => (consumer.Layer.Name, place)).ToDictionary();
            return new RepairReport([.. _repairs.OrderBy(repair => order[repair.Layer])], _sample.Inputs);
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

    private void Fit(ConsumerRepair consumer, ConsumerRows pruned)
    {
        _repairs.Add(consumer.Fit(_sample, pruned, _options));
        _options.Progress?.Report(new RepairProgress(consumer.Layer.Name, _repairs.Count, _consumers.Count));
    }

    private void Restore()
    {
        foreach (var consumer in _consumers)
            consumer.Restore();
    }
}
