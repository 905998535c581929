using FilterPruning.Detection.Data;
using FilterPruning.Detection.Models;
using FilterPruning.Detection.Pipeline;

namespace FilterPruning.Benchmarks.Goals;

/// <summary>Images a second of a stream, against a loop that decodes and detects one image after the other.</summary>
internal sealed class ThroughputGoals : IGoalSuite
{
    public string Name => "throughput";

    public IEnumerable<GoalFigure> Measure(GoalContext context)
    {
        var threads = get_num_threads();
        var options = new MaskRcnnOptions { MinSize = context.Quick ? 128 : 320, MaxSize = 533, BoxDetectionsPerImage = 20 };
        using var model = context.Quick ? MaskRcnn.ResNet18Fpn(3, options) : MaskRcnn.ResNet50Fpn(3, options);
        model.eval();
        var files = Enumerable.Range(0, context.Quick ? 4 : 12).Select(Picture).ToArray();
        var times = Paired.Times(context.Quick ? 1 : 3, Loop, Stream);
        var (loop, stream) = (files.Length * 1000 / times[0].Min(), files.Length * 1000 / times[1].Min());
        yield return new GoalFigure(
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
}
