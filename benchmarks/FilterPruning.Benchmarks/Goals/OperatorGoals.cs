using FilterPruning.Benchmarks.Operators;
using FilterPruning.Detection.Data;
using FilterPruning.Detection.Models;
using FilterPruning.Detection.Pipeline;

namespace FilterPruning.Benchmarks.Goals;

/// <summary>The detector's operators against the same composed of torch operations, and a stream of images against a loop over them.</summary>
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

        yield return Throughput(context, threads);
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

    private static GoalFigure Throughput(GoalContext context, int threads)
    {
        var options = new MaskRcnnOptions { MinSize = context.Quick ? 128 : 320, MaxSize = 533, BoxDetectionsPerImage = 20 };
        using var model = context.Quick ? MaskRcnn.ResNet18Fpn(3, options) : MaskRcnn.ResNet50Fpn(3, options);
        model.eval();
        var files = Enumerable.Range(0, context.Quick ? 4 : 12).Select(Picture).ToArray();
        var times = Paired.Times(context.Quick ? 1 : 3, Loop, Stream);
        var (loop, stream) = (files.Length * 1000 / times[0].Min(), files.Length * 1000 / times[1].Min());
        return new GoalFigure(
            "throughput.vs_loop", stream / loop, "ratio", 1, true,
            FormattableString.Invariant($"{stream:0.##} images/s, a loop over Detect {loop:0.##}; {(context.Quick ? "R18 at 128" : "R50 at 320")} px, {files.Length} PNG images of 480x640, {threads} threads"));

        void Loop()
        {
            using var guard = no_grad();
            foreach (var file in files)
            {
                using var image = ImageFile.Decode(file);
                model.Detect([image])[0].Dispose();
            }
        }

        void Stream()
        {
            foreach (var result in model.DetectAsync(files.Select((file, i) => ImageSource.FromBytes($"{i}", file)).ToAsyncEnumerable(), new ThroughputOptions { Failures = FailureHandling.Throw }).ToBlockingEnumerable())
                result.Dispose();
        }
    }

    // Waves of colour: what a PNG decoder has some work with.
    private static byte[] Picture(int number)
    {
        using var scope = NewDisposeScope();
        var (y, x) = (arange(480, dtype: ScalarType.Float32).view(1, -1, 1), arange(640, dtype: ScalarType.Float32).view(1, 1, -1));
        var phase = tensor(new float[] { 0, 2, 4 }).view(3, 1, 1) + number;
        return ImageFile.EncodePng(((x * 0.03f + phase).sin() * (y * 0.05f - phase).cos() + 1) / 2);
    }

    private static Action InScope(Action action) => () =>
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        action();
    };
}
