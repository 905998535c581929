using System.Globalization;
using FilterPruning.Benchmarks.Speedup;
using FilterPruning.Latency;
using FilterPruning.Planning;

namespace FilterPruning.Benchmarks.Goals;

/// <summary>
/// How much of what a cut saves on paper shows on the clock: Mask R-CNN R50-FPN, dense and pruned in turn, both prepared for inference, at half and at a quarter of the multiply-accumulates; the least speed-up at any ratio;
/// and predicted against measured latency. See <see cref="SpeedupBench"/> for what is timed.
/// </summary>
internal sealed class SpeedupGoals : IGoalSuite
{
    private const int Seed = 0;

    // Ratios of plans whose latency is predicted; one of them has widths in sixteens, the others odd ones.
    private static readonly (string Scope, double Ratio, int Multiple)[] Predicted = [("local", 0.1, 1), ("local", 0.3, 1), ("local", 0.5, 16), ("local", 0.55, 1), ("local", 0.75, 1), ("global", 0.3, 1), ("global", 0.6, 1), ("macs", 0.6, 1)];

    public string Name => "speedup";

    public IEnumerable<GoalFigure> Measure(GoalContext context)
    {
        using var small = new SpeedupBench(320, context.Quick ? 1 : 2, Seed);
        var times = Times(small, context);
        foreach (var figure in AtTheory(small, times.ChannelMultiple, context.Quick ? 1 : 7, context))
            yield return figure;
        yield return Least(small, context);
        yield return Prediction(small, times, context);
        if (context.Quick)
            yield break;
        using var large = new SpeedupBench(800, 1, Seed);
        foreach (var figure in AtTheory(large, times.ChannelMultiple, 5, context))
            yield return figure;
    }

    /// <summary>At 2× and 4× in theory: local and global plans, the worse of the two, with widths in the multiples that were measured to be fast.</summary>
    private static IEnumerable<GoalFigure> AtTheory(SpeedupBench bench, int multiple, int rounds, GoalContext context)
    {
        foreach (var times in new[] { 2, 4 })
        {
            var points = new[] { ("local", PruningScope.Local), ("global", PruningScope.Global) }
                .Select(family => Said(context, bench.Measure(bench.PlanForMacs(family.Item2, 1.0 / times, multiple), family.Item1, 1 - (1.0 / times), rounds))).ToList();
            yield return new GoalFigure(
                // The size at which most of the work is convolutions has the issue's own names.
                $"speedup.{times}x{(bench.Size == 800 ? "" : $".{bench.Size}")}.realised_over_theory", points.Min(point => point.RealisedOverTheory), "ratio", 0.9, AtLeast: true,
                $"{string.Join("; ", points.Select(Text))}; widths in {multiple}s, as measured; {bench.Size} px, {points[0].Threads} thread(s), median of {rounds} rounds of {bench.Images.Length} image(s), {DetectorSetup.Origin}");
        }
    }

    private static GoalFigure Least(SpeedupBench bench, GoalContext context)
    {
        var (ratios, rounds) = (context.Quick ? [0.1] : Enumerable.Range(1, 9).Select(tenth => tenth / 10.0).ToArray(), context.Quick ? 1 : 4);
        var points = new[] { "local", "global" }.SelectMany(scope => ratios.Select(ratio => Said(context, bench.Measure(bench.PlanOf(scope, ratio), scope, ratio, rounds)))).ToList();
        var least = points.MinBy(point => point.SpeedUp)!;
        return new GoalFigure(
            "speedup.min_over_ratios", least.SpeedUp, "ratio", 1, AtLeast: true,
            $"least at {least.Scope} {least.Ratio.ToString(CultureInfo.InvariantCulture)}; {string.Join(", ", points.Select(point => string.Create(CultureInfo.InvariantCulture, $"{point.Scope} {point.Ratio}: {point.SpeedUp:0.00} of {point.Theory:0.00}")))}; {bench.Size} px");
    }

    /// <summary>The largest difference between a latency that the model of the layers' times predicts and the one that is measured after the cut, on the photo that was traced.</summary>
    private static GoalFigure Prediction(SpeedupBench bench, LatencyModel times, GoalContext context)
    {
        using var guard = no_grad();
        using var prepared = bench.Twin.PrepareForInference();
        var results = (context.Quick ? Predicted[..1] : Predicted).Select(entry =>
        {
            var plan = bench.PlanOf(entry.Scope, entry.Ratio, entry.Multiple);
            var (predicted, measured) = (times.Of(plan), bench.Cut(plan, () => bench.TimeTwin(context.Quick ? 1 : 7)));
            return (Error: Math.Abs(predicted - measured) / measured, Text: string.Create(CultureInfo.InvariantCulture, $"{entry.Scope} {entry.Ratio}{(entry.Multiple > 1 ? $" in {entry.Multiple}s" : "")}: {predicted:0} for {measured:0} ms"));
        }).ToList();
        return new GoalFigure(
            "latency_model.error.max", results.Max(result => result.Error), "ratio", 0.1, AtLeast: false,
            string.Create(CultureInfo.InvariantCulture, $"{string.Join(", ", results.Select(result => result.Text))}; dense {times.Measured:0} ms, {times.Floor:0} ms of it fixed; widths in {times.ChannelMultiple}s measured best; {bench.Size} px"));
    }

    private static LatencyModel Times(SpeedupBench bench, GoalContext context)
    {
        using var guard = no_grad();
        using var prepared = bench.Twin.PrepareForInference();
        var times = LatencyModel.Measure(bench.Graph, new LatencyOptions { Repeats = context.Quick ? 1 : 5 });
        context.Say(times.ToText().ReplaceLineEndings("; "));
        return times;
    }

    private static SpeedupPoint Said(GoalContext context, SpeedupPoint point)
    {
        context.Say($"{point.Size} px, {Text(point)}");
        return point;
    }

    private static string Text(SpeedupPoint point) => string.Create(
        CultureInfo.InvariantCulture, $"{point.Scope} {point.SpeedUp:0.00} of {point.Theory:0.00} ({point.DenseP50:0} to {point.PrunedP50:0} ms, p95 {point.DenseP95:0} to {point.PrunedP95:0})");
}
