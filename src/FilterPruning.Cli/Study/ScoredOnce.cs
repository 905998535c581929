using System.Diagnostics;
using FilterPruning.Criteria;

namespace FilterPruning.Cli.Study;

/// <summary>
/// A criterion that prepares and scores each layer once, for all plans of a model that is put back to the same bits in between, and writes down how long that took.
/// </summary>
internal class ScoredOnce : IPruningCriterion, IDisposable
{
    private readonly IPruningCriterion _inner;
    private readonly Dictionary<string, Tensor> _scores = new(StringComparer.Ordinal);

    private ScoredOnce(IPruningCriterion inner) => _inner = inner;

    public string Name => _inner.Name;

    /// <summary>Seconds of preparing and scoring.</summary>
    public double Seconds { get; private set; }

    public static ScoredOnce Of(IPruningCriterion criterion) => criterion is IPreparedCriterion prepared ? new Prepared(prepared) : new ScoredOnce(criterion);

    public Tensor Score(FilterBank filters)
    {
        if (!_scores.TryGetValue(filters.LayerName, out var scores))
        {
            var start = Stopwatch.GetTimestamp();
            _scores[filters.LayerName] = scores = _inner.Score(filters).DetachFromDisposeScope();
            Seconds += Stopwatch.GetElapsedTime(start).TotalSeconds;
        }

        return scores.clone();
    }

    public void Dispose()
    {
        foreach (var scores in _scores.Values)
            scores.Dispose();
        _scores.Clear();
        (_inner as IDisposable)?.Dispose();
    }

    private sealed class Prepared(IPreparedCriterion inner) : ScoredOnce(inner), IPreparedCriterion
    {
        private bool _ready;

        public void Prepare(CriterionContext context)
        {
            if (_ready)
                return;
            var start = Stopwatch.GetTimestamp();
            inner.Prepare(context);
            Seconds += Stopwatch.GetElapsedTime(start).TotalSeconds;
            _ready = true;
        }
    }
}
