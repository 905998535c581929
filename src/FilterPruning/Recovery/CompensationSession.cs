using FilterPruning.Graph;
using FilterPruning.Proof;

namespace FilterPruning.Recovery;

/// <summary>One compensation: moments of the dense model, then layer after layer. Restores the model when it does not finish.</summary>
/// <param name="graph">The graph.</param>
/// <param name="consumers">The layers that lose inputs.</param>
/// <param name="forwards">One action for each input.</param>
/// <param name="matchMoments">Whether mean and variance of every output are matched in data order; otherwise constants take over the dense means of what is removed.</param>
/// <param name="progress">Told after every layer; may be null.</param>
internal sealed class CompensationSession(
    DependencyGraph graph, IReadOnlyList<MaskedConsumer> consumers, IReadOnlyList<Action> forwards, bool matchMoments, IProgress<RepairProgress>? progress) : IDisposable
{
    /// <summary>An output that hardly varies any more is not blown up further than this.</summary>
    private const double LargestScale = 10;

    private readonly ForwardPasses _passes = new(forwards);
    private readonly NormWatch _norms = new(graph.Layers, new LayerSources(graph));
    private readonly Dictionary<TracedLayer, ConsumerMoments> _moments = consumers.ToDictionary(consumer => consumer.Layer, consumer => new ConsumerMoments(consumer));
    private readonly List<LayerCompensation> _reports = [];

    public CompensationReport Run(CancellationToken cancellation)
    {
        using var quiet = new QuietRun(graph.Model, "a compensation");
        using var scope = NewDisposeScope();
        using var copies = new TensorCopies();
        var finished = false;
        try
        {
            _passes.Whole([.. _moments.Keys], (layer, x, y) => _moments[layer].AddDense(x, y), _norms.Attach, cancellation);
            foreach (var consumer in consumers)
                consumer.Mask(copies);
            if (matchMoments)
            {
                _passes.March((layer, x) => _moments[layer].AddNow(x), layer => Report(Match(_moments[layer], copies)), cancellation);
            }
            else
            {
                foreach (var consumer in consumers.Where(consumer => _moments[consumer.Layer].Dense.Count > 0))
                    Report(consumer.Add(_moments[consumer.Layer].Removed.Mean, _norms.After(consumer.Layer), copies), consumer);
            }

            cancellation.ThrowIfCancellationRequested();
            finished = true;
            foreach (var consumer in consumers.Where(consumer => _moments[consumer.Layer].Dense.Count == 0))
                _reports.Add(new LayerCompensation(consumer.Layer.Name, consumer.RemovedCount, 0, 0, false));
            var order = consumers.Select((consumer, place) => (consumer.Layer.Name, place)).ToDictionary();
            return new CompensationReport([.. _reports.OrderBy(report => order[report.Layer])], _passes.Inputs);
        }
        finally
        {
            if (!finished)
                copies.Restore();
        }
    }

    public void Dispose()
    {
        foreach (var moments in _moments.Values)
            moments.Dispose();
    }

    private (bool Taken, MaskedConsumer Consumer) Match(ConsumerMoments moments, TensorCopies copies)
    {
        using var scope = NewDisposeScope();
        var (consumer, dense, now) = (moments.Consumer, moments.Dense, moments.Now);
        var norm = _norms.After(consumer.Layer);
        // Without a constant a scale would move the mean further away.
        if (now.Count < 2 || !consumer.TakesConstant(norm))
            return (false, consumer);
        var scale = (dense.UnbiasedVariance() / now.UnbiasedVariance()).sqrt();
        scale = where(scale.isfinite(), scale, ones_like(scale)).clamp(1 / LargestScale, LargestScale);
        consumer.Scale(scale, copies);
        return (consumer.Add(dense.Mean - (scale * now.Mean), norm, copies), consumer);
    }

    private void Report((bool Taken, MaskedConsumer Consumer) done) => Report(done.Taken, done.Consumer);

    private void Report(bool taken, MaskedConsumer consumer)
    {
        using var scope = NewDisposeScope();
        var (dense, removed) = (_moments[consumer.Layer].Dense, _moments[consumer.Layer].Removed);
        var energy = Math.Max(double.Epsilon, dense.MeanSquare().sum().item<double>());
        var (before, after) = (removed.MeanSquare().sum().item<double>(), removed.SquaredDeviations.sum().item<double>() / removed.Count);
        _reports.Add(new LayerCompensation(consumer.Layer.Name, consumer.RemovedCount, before / energy, (taken ? after : before) / energy, taken));
        progress?.Report(new RepairProgress(consumer.Layer.Name, _reports.Count, consumers.Count));
    }

    /// <summary>What a consumer gives in the dense model, the part of it that comes from the removed inputs, and what it gives now.</summary>
    private sealed class ConsumerMoments(MaskedConsumer consumer) : IDisposable
    {
        public MaskedConsumer Consumer => consumer;

        public ChannelMoments Dense { get; } = new();

        public ChannelMoments Removed { get; } = new();

        public ChannelMoments Now { get; } = new();

        public void AddDense(Tensor input, Tensor output)
        {
            using var part = consumer.Contribution(input);
            Add(Dense, output);
            Add(Removed, part);
        }

        public void AddNow(Tensor input)
        {
            // Past the hooks: the forward goes on only when the layer has been settled.
            using var output = ((nn.Module<Tensor, Tensor>)consumer.Layer.Module).forward(input);
            Add(Now, output);
        }

        public void Dispose()
        {
            Dense.Dispose();
            Removed.Dispose();
            Now.Dispose();
        }

        private void Add(ChannelMoments moments, Tensor output) => moments.Add(output, consumer.Layer.Rule.OutputAxis(consumer.Layer.Module, output));
    }
}
