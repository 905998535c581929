using FilterPruning.Benchmarks.Operators;

namespace FilterPruning.Benchmarks.Goals;

/// <summary>The detector's operators against the same composed of torch operations.</summary>
internal sealed class OperatorGoals : IGoalSuite
{
    public string Name => "operators";

    public IEnumerable<GoalFigure> Measure(GoalContext context)
    {
        var threads = get_num_threads();
        try
        {
            foreach (var group in OperatorCases.All.GroupBy(entry => entry.Key.Split(' ')[0] + (entry.Key.EndsWith("last", StringComparison.Ordinal) ? ".channels_last" : "")))
                yield return Operator(context, group.Key, [.. group.Select(entry => entry.Value)], threads);
        }
        finally
        {
            set_num_threads(threads);
        }
    }

    // The largest ratio over all sizes, with one thread and with torch's.
    private static GoalFigure Operator(GoalContext context, string name, IReadOnlyList<Func<OperatorCase>> cases, int threads)
    {
        var worst = (Ratio: 0.0, Note: "");
        foreach (var count in new[] { 1, threads }.Distinct())
        {
            set_num_threads(count);
            foreach (var make in cases)
            {
                using var inputs = NewDisposeScope();
                var operation = make();
                var times = Paired.Times(context.Quick ? 3 : 9, InScope(operation.Ours), InScope(operation.Composed));
                var ratio = Paired.RatioOfBest(times[0], times[1]);
                var note = FormattableString.Invariant($"{operation.Size}, {count} thread{(count == 1 ? "" : "s")}: {times[0].Min():0.###} of {times[1].Min():0.###} ms");
                context.Say($"{name} {note}");
                if (ratio > worst.Ratio)
                    worst = (ratio, note);
            }
        }

        return new GoalFigure($"operators.{name}.vs_composed", worst.Ratio, "ratio", 1, false, $"largest at {worst.Note}");
    }

    private static Action InScope(Action action) => () =>
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        action();
    };
}
