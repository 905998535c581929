using System.Diagnostics;
using FilterPruning.Criteria;

namespace FilterPruning.Cli.Study;

/// <summary>A criterion that writes down how long it took to prepare and to score.</summary>
internal class TimedCriterion : IPruningCriterion
{
    private readonly IPruningCriterion _inner;

    private TimedCriterion(IPruningCriterion inner) => _inner = inner;

    public string Name => _inner.Name;

    /// <summary>Seconds so far.</summary>
    public double Seconds { get; private set; }

    /// <summary>Wraps a criterion; null for one of which the planner may know more than these interfaces say, so that it must see it itself.</summary>
    public static TimedCriterion? TryWrap(IPruningCriterion criterion) =>
        criterion.GetType().GetInterfaces().Any(type => type.Namespace == typeof(IPruningCriterion).Namespace && type != typeof(IPruningCriterion) && type != typeof(IPreparedCriterion))
            ? null
            : criterion is IPreparedCriterion prepared ? new Prepared(prepared) : new TimedCriterion(criterion);

    public Tensor Score(FilterBank filters)
    {
        var start = Stopwatch.GetTimestamp();
        var scores = _inner.Score(filters);
        Seconds += Stopwatch.GetElapsedTime(start).TotalSeconds;
        return scores;
    }

    private sealed class Prepared(IPreparedCriterion inner) : TimedCriterion(inner), IPreparedCriterion
    {
        public void Prepare(CriterionContext context)
        {
            var start = Stopwatch.GetTimestamp();
            inner.Prepare(context);
            Seconds += Stopwatch.GetElapsedTime(start).TotalSeconds;
        }
    }
}
