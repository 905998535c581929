using FilterPruning.Graph;

namespace FilterPruning.Recovery;

/// <summary>
/// Until it is given back, every norm of a model normalises by the statistics of made-up inputs, so that on them its output has the mean and the variance that it has on real ones: its bias and its weight.
/// What repairs write into the running means meanwhile is kept.
/// </summary>
internal sealed class BorrowedStatistics : IDisposable
{
    /// <summary>A channel that made-up inputs hardly excite is not blown up further than by the root of this.</summary>
    private const double SmallestShare = 1e-3;

    private readonly List<(RunningStatistics Live, Tensor Mean, Tensor Variance, Tensor Borrowed)> _norms = [];
    private readonly TensorCopies _original = new();

    /// <summary>Borrows. The model must be in its dense form.</summary>
    public BorrowedStatistics(DependencyGraph graph, IReadOnlyList<Action> forwards, CancellationToken cancellation)
    {
        IReadOnlyList<TracedLayer> norms = [.. graph.Layers.Where(layer => RunningStatistics.Of(layer.Rule, layer.Module) is not null)];
        try
        {
            using var scope = NewDisposeScope();
            using var noGrad = no_grad();
            var real = norms.Select(norm => RunningStatistics.Of(norm.Rule, norm.Module)!.Value).Select(live => (Live: live, Mean: Copy(live.Mean), Variance: Copy(live.Variance))).ToList();
            foreach (var live in real.Select(norm => norm.Live))
            {
                _original.Remember(live.Mean);
                _original.Remember(live.Variance);
            }

            new RecalibrationSession(graph.Model, norms, forwards, null, SmallestShare).Run(cancellation);
            foreach (var (live, mean, variance) in real)
                _norms.Add((live, mean.DetachFromDisposeScope(), variance.DetachFromDisposeScope(), Copy(live.Mean).DetachFromDisposeScope()));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Gives every norm its own statistics back, and on top of them what was added to its running mean meanwhile.</summary>
    public void GiveBack()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        foreach (var (live, mean, variance, borrowed) in _norms)
        {
            live.Mean.copy_(mean + (live.Mean - borrowed));
            live.Variance.copy_(variance);
        }
    }

    /// <summary>Gives every norm its own statistics back as they were.</summary>
    public void Restore() => _original.Restore();

    public void Dispose()
    {
        foreach (var (_, mean, variance, borrowed) in _norms)
        {
            mean.Dispose();
            variance.Dispose();
            borrowed.Dispose();
        }

        _norms.Clear();
        _original.Dispose();
    }

    private static Tensor Copy(Tensor live)
    {
        using var alias = live.detach();
        return alias.clone();
    }
}
