using FilterPruning.Graph;

namespace FilterPruning.Recovery;

/// <summary>
/// One pass of all calibration forwards. A layer that a forward calls once is fitted when all forwards wait in front of it. A layer that is called several times (a head shared by all levels
/// of a pyramid) cannot be: its rows are gathered in passing, it is fitted at the end of the pass, and what reads from it is left to the next one.
/// </summary>
internal sealed class RepairWave
{
    private const int FewestRows = 2048;
    private const int RowsPerUnknown = 8;

    private readonly CalibrationSample _sample;
    private readonly IReadOnlyList<ConsumerRepair> _left;
    private readonly Action<ConsumerRepair, ConsumerRows> _fit;
    private readonly Dictionary<TracedLayer, ConsumerRows> _rows = [];
    private readonly List<ConsumerRepair> _inStep = [];
    private readonly List<ConsumerRepair> _inPassing = [];
    private readonly int _inputs;

    /// <summary>A pass for what is left.</summary>
    /// <param name="sample">What the dense model showed.</param>
    /// <param name="left">The layers that are not fitted yet, in data order.</param>
    /// <param name="fit">Fits one.</param>
    /// <param name="isFirst">A later pass uses no more inputs than its fits need.</param>
    public RepairWave(CalibrationSample sample, IReadOnlyList<ConsumerRepair> left, Action<ConsumerRepair, ConsumerRows> fit, bool isFirst)
    {
        _sample = sample;
        _left = left;
        _fit = fit;
        var stale = new HashSet<string>();
        foreach (var layer in sample.Graph.Layers)
        {
            var fed = sample.Sources.Of(layer).Any(stale.Contains);
            var consumer = left.FirstOrDefault(candidate => ReferenceEquals(candidate.Layer, layer));
            if (!fed && consumer is not null)
            {
                var calls = Enumerable.Range(0, sample.Inputs).Max(input => sample.CallsOf(layer, input));
                (calls > 1 ? _inPassing : _inStep).Add(consumer);
                _rows[layer] = new ConsumerRows(layer, sample);
                fed = calls > 1;
            }

            if (fed)
                stale.Add(layer.Name);
        }

        _inputs = isFirst ? sample.Inputs : _rows.Keys.Max(EnoughFor);
    }

    private int EnoughFor(TracedLayer layer)
    {
        var wanted = Math.Max(FewestRows, RowsPerUnknown * layer.InputChannels * Math.Max(1, layer.Rule.TapsSeen(layer.Module)));
        var (rows, calls) = (0L, 0);
        for (var input = 0; input < _sample.Inputs; input++)
        {
            for (var call = 0; call < _sample.CallsOf(layer, input); call++)
                rows += _sample.RowsOf(layer)[calls++].shape[0];
            if (rows >= wanted)
                return input + 1;
        }

        return _sample.Inputs;
    }

    /// <summary>Fits what can be fitted in one pass; returns what is left, in data order.</summary>
    public IReadOnlyList<ConsumerRepair> Run(CancellationToken cancellation)
    {
        var wanted = new int[_inputs];
        for (var input = 0; input < wanted.Length; input++)
            wanted[input] = _rows.Keys.Sum(layer => _sample.CallsOf(layer, input));
        try
        {
            using (var forwards = new LockstepForwards([.. _sample.Forwards.Take(_inputs)]))
            using (var hooks = new HookSet())
            {
                Watch(hooks, forwards, wanted);
                forwards.Start(input => wanted[input] > 0, cancellation);
                while (Next(forwards) is { } consumer)
                {
                    cancellation.ThrowIfCancellationRequested();
                    Fit(consumer);
                    forwards.Release(consumer.Layer, cancellation);
                }
            }

            foreach (var consumer in _inPassing.Concat(_inStep.Where(consumer => _rows.ContainsKey(consumer.Layer))))
            {
                cancellation.ThrowIfCancellationRequested();
                Fit(consumer);
            }
        }
        finally
        {
            foreach (var rows in _rows.Values)
                rows.Dispose();
        }

        return [.. _left.Except(_inPassing).Except(_inStep)];
    }

    private void Watch(HookSet hooks, LockstepForwards forwards, int[] wanted)
    {
        foreach (var consumer in _inPassing)
            hooks.Before(consumer.Layer, x => Draw(consumer, x, waits: false));
        foreach (var consumer in _inStep)
        {
            // The other part of a sum first: it may be what the same layer reads.
            if (_sample.JunctionOf(consumer.Layer)?.Shortcut is { } tap)
                tap.Watch(hooks, x => _rows.GetValueOrDefault(consumer.Layer)?.DrawBeside(tap, x, forwards.Input));
        }

        foreach (var consumer in _inStep)
            hooks.Before(consumer.Layer, x => Draw(consumer, x, waits: true));

        void Draw(ConsumerRepair consumer, Tensor x, bool waits)
        {
            var input = forwards.Input;
            _rows[consumer.Layer].Draw(x, input, consumer.PatchUnits);
            wanted[input]--;
            if (waits)
                forwards.Wait(consumer.Layer);
            if (wanted[input] == 0)
                LockstepForwards.Leave();
        }
    }

    // The first layer in data order that forwards wait for and that none is still on its way to.
    private ConsumerRepair? Next(LockstepForwards forwards)
    {
        var waiting = forwards.Waiting.Select(entry => entry.Layer).ToHashSet();
        if (waiting.Count == 0)
            return null;
        var candidates = _inStep.Where(consumer => waiting.Contains(consumer.Layer)).ToList();
        return candidates.FirstOrDefault(consumer => IsComplete(consumer.Layer)) ?? throw _rows[candidates[0].Layer].RowsDiffer();
    }

    private void Fit(ConsumerRepair consumer)
    {
        var rows = _rows[consumer.Layer];
        if (!IsComplete(consumer.Layer))
            throw rows.RowsDiffer();
        _fit(consumer, rows);
        rows.Dispose();
        _rows.Remove(consumer.Layer);
    }

    private bool IsComplete(TracedLayer layer) => Enumerable.Range(0, _inputs).All(_rows[layer].Has);
}
