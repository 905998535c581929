using FilterPruning.Benchmarks.Inference;
using FilterPruning.Detection.Data;
using FilterPruning.Detection.Models;

namespace FilterPruning.Benchmarks.Goals;

/// <summary>
/// How long a dense Mask R-CNN R50-FPN takes beside ONNX Runtime on torchvision's own export of the same weights: whole images at 320 and 800 px, one at a time and in batches of four, and
/// the backbone alone. Same cores, same number of threads, same image, turn by turn.
/// </summary>
/// <remarks>
/// The weights are those of the file named by <c>FILTERPRUNING_DETECTOR</c>, as <c>filter-pruning train</c> writes it; without it seeded initial weights, whose number of detections means nothing. torchvision's export
/// takes one image, so a batch is four of its calls.
/// </remarks>
internal sealed class InferenceGoals : IGoalSuite
{
    private const string WeightsVariable = "FILTERPRUNING_DETECTOR";
    private static readonly long[] BackboneInput = [1, 3, 320, 448];

    public string Name => "inference";

    public IEnumerable<GoalFigure> Measure(GoalContext context)
    {
        var threads = get_num_threads();
        try
        {
            using var guard = no_grad();
            foreach (var figure in Measured(context))
                yield return figure;
        }
        finally
        {
            set_num_threads(threads);
        }
    }

    private static IEnumerable<GoalFigure> Measured(GoalContext context)
    {
        using var folder = new TemporaryFolder();
        var given = Environment.GetEnvironmentVariable(WeightsVariable);
        var weights = given is { Length: > 0 } ? given : Path.Combine(folder.Path, "initial.safetensors");
        using var image = Photo(context.DataFolder);
        using var generator = new Generator(0);
        using var batch = randn(BackboneInput, generator: generator);
        int[] threadCounts = Environment.ProcessorCount > 1 ? [1, 2] : [1];
        var origin = given is { Length: > 0 } ? "trained weights" : $"initial weights ({WeightsVariable} is not set)";

        foreach (var size in context.Quick ? new[] { 320 } : new[] { 320, 800 })
        {
            using var model = Model(weights, size, isGiven: given is { Length: > 0 });
            var graphs = OnnxExport.Make(weights, model.NumClasses, size, model.Options.MaxSize, folder.Path, context.Say);
            if (graphs is null)
                yield break;
            using var prepared = model.PrepareForInference();
            if (size == 320)
                yield return Backbone(model, graphs.Backbone, batch, threadCounts, context.Quick ? 3 : 15);
            foreach (var count in context.Quick ? new[] { 1 } : new[] { 1, 4 })
            {
                var rounds = context.Quick ? 2 : (size, count) switch { (320, 1) => 9, (320, _) => 5, (_, 1) => 5, _ => 3 };
                yield return Whole(model, graphs.Whole, image, size, count, threadCounts, rounds, origin);
            }
        }
    }

    private static GoalFigure Whole(MaskRcnnModel model, string graph, Tensor image, int size, int count, int[] threadCounts, int rounds, string origin)
    {
        var images = Enumerable.Repeat(image, count).ToArray();
        var found = (Own: 0, Peer: 0);
        var (worst, note) = Worst(threadCounts, threads =>
        {
            set_num_threads(threads);
            using var peer = new OnnxPeer(graph, threads, "image", image, "boxes", "labels", "scores", "masks");
            return Paired.Times(
                rounds,
                () =>
                {
                    foreach (var detection in model.Detect(images))
                    {
                        found.Own = detection.Count;
                        detection.Dispose();
                    }
                },
                () =>
                {
                    for (var i = 0; i < count; i++)
                        found.Peer = peer.Run();
                });
        });
        return new GoalFigure(
            $"latency.dense.{size}.b{count}.vs_onnxruntime", worst, "ratio", 1.0, AtLeast: false,
            $"{note}; best of {rounds} rounds, {origin}, {found.Own} and {found.Peer} objects{(count > 1 ? $", ONNX Runtime in {count} calls" : "")}");
    }

    private static GoalFigure Backbone(MaskRcnnModel model, string graph, Tensor batch, int[] threadCounts, int rounds)
    {
        var backbone = (nn.Module<Tensor, Tensor[]>)model.named_children().First(child => child.name == "backbone").module;
        var (worst, note) = Worst(threadCounts, threads =>
        {
            set_num_threads(threads);
            using var peer = new OnnxPeer(graph, threads, "batch", batch, "level0", "level1", "level2", "level3", "level4");
            return Paired.Times(
                rounds,
                () =>
                {
                    using var scope = NewDisposeScope();
                    backbone.call(batch);
                },
                () => peer.Run());
        });
        return new GoalFigure("backbone.320.vs_onnxruntime", worst, "ratio", 1.15, AtLeast: false, $"{note}; best of {rounds} rounds, 320 × 448");
    }

    // The larger ratio of the numbers of threads, and all of them in words.
    private static (double Ratio, string Note) Worst(int[] threadCounts, Func<int, IReadOnlyList<double[]>> measure)
    {
        var parts = threadCounts.Select(threads =>
        {
            var times = measure(threads);
            return (Ratio: Paired.RatioOfBest(times[0], times[1]), Text: FormattableString.Invariant($"{threads} thread(s) {times[0].Min():0} ms to {times[1].Min():0} ms"));
        }).ToArray();
        return (parts.Max(part => part.Ratio), string.Join(", ", parts.Select(part => part.Text)));
    }

    private static MaskRcnnModel Model(string weights, int size, bool isGiven)
    {
        var options = new MaskRcnnOptions { MinSize = size, MaxSize = size * 5 / 3 };
        var model = MaskRcnn.ResNet50Fpn(isGiven ? OnnxExport.ClassesOf(weights) : 2, options);
        if (isGiven)
            DetectorFile.LoadWeights(model, weights);
        else if (!File.Exists(weights))
            DetectorFile.Save(model, new DetectorDescription { Model = "maskrcnn_resnet50_fpn", ClassNames = ["object"], Options = options }, weights);
        model.eval();
        return model;
    }

    private static Tensor Photo(string? dataFolder)
    {
        var path = dataFolder is null ? null : Path.Combine(dataFolder, "pennfudan", "PennFudanPed", "PNGImages", "FudanPed00001.png");
        if (path is not null && File.Exists(path))
            return ImageFile.Load(path);
        using var generator = new Generator(0);
        return rand([3, 480, 640], generator: generator);
    }

    private sealed class TemporaryFolder : IDisposable
    {
        public string Path { get; } = Directory.CreateTempSubdirectory("filter-pruning-onnx-").FullName;

        public void Dispose() => Directory.Delete(Path, recursive: true);
    }
}
