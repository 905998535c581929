using System.Globalization;
using System.Runtime.InteropServices;
using FilterPruning.Detection.Models;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Surgery;
using FilterPruning.Zoo;
using Stopwatch = System.Diagnostics.Stopwatch;

namespace FilterPruning.Benchmarks.Goals;

/// <summary>The library's own time from a model to its proved cut (trace, score, plan, cut, prove; L1, local, 0.5; one thread), how it grows with the model, and the memory of a cut.</summary>
internal sealed partial class PipelineGoals : IGoalSuite
{
    // Linear work costs the same for each channel of a call, however many there are. Half more is allowed for caches that larger models overflow.
    private const double AllowedGrowth = 1.5;

    public string Name => "pipeline";

    public IEnumerable<GoalFigure> Measure(GoalContext context)
    {
        var threads = get_num_threads();
        set_num_threads(1);
        try
        {
            yield return MaskRcnnSeconds(context);
            var resNet18 = Zoo(context, ResNetZoo.ResNet18);
            yield return Growth("resnet152_over_18", resNet18, Zoo(context, ResNetZoo.ResNet152));
            yield return Growth("densenet201_over_121", Zoo(context, DenseNetZoo.DenseNet121), Zoo(context, DenseNetZoo.DenseNet201));
            yield return Growth("resnet50_twice_as_wide", Zoo(context, ResNetZoo.ResNet50), Zoo(context, ResNetZoo.WideResNet50));
            if (NativeLibrary.TryLoad("libc.so.6", out var libc) && NativeLibrary.TryGetExport(libc, "mallinfo2", out _))
                yield return CutMemory(context);
        }
        finally
        {
            set_num_threads(threads);
        }
    }

    private static GoalFigure MaskRcnnSeconds(GoalContext context)
    {
        using var scope = NewDisposeScope();
        var image = rand([3, 128, 128], generator: new Generator(1, CPU));
        var run = Best(context, "maskrcnn_resnet50_fpn", DenseModel, model => model.Detect([image]));
        return new GoalFigure(
            "pipeline.r50_128.seconds", run.Library, "s", 0.5, false,
            string.Create(CultureInfo.InvariantCulture, $"of {run.Total:0.00} s in all; {run.Forwards} forwards of the model take the other {run.Total - run.Library:0.00} s. {run.Calls} layer calls, least of {Rounds(context)}"));
    }

    private static MaskRcnnModel DenseModel() => MaskRcnn.ResNet50Fpn(91, new MaskRcnnOptions { MinSize = 128, MaxSize = 128 });

    private static int Rounds(GoalContext context) => context.Quick ? 1 : 5;

    private static Run Zoo(GoalContext context, ZooModel zoo) => Best(context, zoo.Name, zoo.Create, zoo.Forward);

    private static GoalFigure Growth(string name, Run small, Run large)
    {
        var growth = large.Library / small.Library / ((double)large.Channels / small.Channels);
        return new GoalFigure(
            $"pipeline.growth.{name}", growth, "ratio", AllowedGrowth, false,
            string.Create(
                CultureInfo.InvariantCulture,
                $"time per channel of a layer call, the larger model's over the smaller's: {small.Library:0.000} s for {small.Calls} calls and {small.Channels} channels, {large.Library:0.000} s for {large.Calls} and {large.Channels}; ")
            + string.Create(CultureInfo.InvariantCulture, $"per call {small.Library / small.Calls * 1000:0.00} and {large.Library / large.Calls * 1000:0.00} ms"));
    }

    /// <summary>The least disturbed of some rounds, after one that warms up.</summary>
    private static Run Best<TModel>(GoalContext context, string name, Func<TModel> create, Func<TModel, object?> forward)
        where TModel : nn.Module
    {
        Once(create, forward);
        var best = Enumerable.Range(0, Rounds(context)).Select(_ => Once(create, forward)).MinBy(run => run.Library)!;
        context.Say(string.Create(CultureInfo.InvariantCulture, $"{name}: {best.Library:0.000} s of {best.Total:0.000} s, {best.Forwards} forwards"));
        return best;
    }

    private static Run Once<TModel>(Func<TModel> create, Func<TModel, object?> forward)
        where TModel : nn.Module
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        using var model = create();
        var clock = new TimedForward();
        var start = Stopwatch.GetTimestamp();
        var graph = DependencyGraph.Trace(model, m => clock.Run(() => forward(m)), new TraceOptions { Rules = clock.Rules });
        var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.5 });
        using var cut = Surgeon.Apply(graph, plan, new SurgeryOptions { CanUndo = false });
        var total = Stopwatch.GetElapsedTime(start);
        return new Run(
            total.TotalSeconds, (total - clock.Own).TotalSeconds, clock.Forwards, graph.Layers.Sum(layer => layer.Calls.Count),
            graph.Layers.Sum(layer => layer.Calls.Count * (long)(layer.InputChannels + layer.OutputChannels)));
    }

    /// <summary>How many more bytes are allocated while tensors are narrowed, in copies of the largest layer (the first of the box head), at the worst of three ratios.</summary>
    private static GoalFigure CutMemory(GoalContext context)
    {
        using var scope = NewDisposeScope();
        var image = rand([3, 128, 128], generator: new Generator(1, CPU));
        double[] ratios = context.Quick ? [0.5] : [0.1, 0.3, 0.5];
        var (worst, note) = (0.0, new List<string>());
        foreach (var ratio in ratios)
        {
            var (without, with) = (Once(false), Once(true));
            worst = Math.Max(worst, without);
            note.Add(string.Create(CultureInfo.InvariantCulture, $"{without:0.00} at {ratio} ({with:0.00} with undo kept)"));

            double Once(bool canUndo)
            {
                using var inner = NewDisposeScope();
                using var model = DenseModel();
                var graph = DependencyGraph.Trace(model, m => m.Detect([image]));
                var largest = graph.Layers.Max(layer => layer.Rule.Tensors(layer.Module).Sum(tensor => tensor.Tensor.numel() * tensor.Tensor.ElementSize));
                var plan = PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = ratio });
                var watch = new MemoryWatch();
                using var cut = Surgeon.Apply(graph, plan, new SurgeryOptions { CanUndo = canUndo, Progress = watch });
                return watch.Extra / (double)largest;
            }
        }

        return new GoalFigure("pipeline.cut.extra_memory.largest_layers", worst, "ratio", 1.05, false, $"{string.Join(", ", note)}; bytes handed out by the C library, sampled; blocks of 256 KiB and small tensors allowed for by 0.05; the proof's forwards not counted");
    }

    [LibraryImport("libc", EntryPoint = "mallinfo2")]
    private static partial MallInfo AllocationInfo();

    private sealed record Run(double Total, double Library, int Forwards, int Calls, long Channels);

    /// <summary>The most bytes that the C library had handed out between the moment before tensors are narrowed and the moment after, beyond what it had before.</summary>
    /// <remarks>
    /// Not the resident size: that holds freed blocks too, which the C library keeps for later. A thread looks as often as it can; copies of megabytes take milliseconds.
    /// </remarks>
    private sealed class MemoryWatch : IProgress<PruningProgress>
    {
        private long _before;
        private long _most;
        private volatile bool _ended;
        private Thread? _watcher;

        public long Extra => _most - _before;

        public void Report(PruningProgress value)
        {
            if (value is not { Stage: PruningStage.Cut })
                return;
            if (value.Done == 1)
            {
                // What waits for finalizers would be freed meanwhile and hide what the cut needs.
                GC.Collect();
                GC.WaitForPendingFinalizers();
                _before = _most = InUse();
                _watcher = new Thread(Watch) { IsBackground = true, Priority = ThreadPriority.Highest };
                _watcher.Start();
            }
            else if (value.Done == 2 && _watcher is not null)
            {
                _ended = true;
                _watcher.Join();
                _most = Math.Max(_most, InUse());
            }
        }

        private void Watch()
        {
            while (!_ended)
            {
                _most = Math.Max(_most, InUse());
                Thread.Yield();
            }
        }

        private static long InUse()
        {
            var info = AllocationInfo();
            return (long)(info.InBlocks + info.Mapped);
        }
    }

    // struct mallinfo2 of the GNU C library: ten numbers, of which the fifth and the eighth are bytes in mappings of their own and bytes handed out from the heaps.
    [StructLayout(LayoutKind.Sequential)]
    private readonly struct MallInfo
    {
        public readonly nuint Arena;
        public readonly nuint FreeBlocks;
        public readonly nuint FastBlocks;
        public readonly nuint Mappings;
        public readonly nuint Mapped;
        public readonly nuint Unused;
        public readonly nuint FreeInFastBlocks;
        public readonly nuint InBlocks;
        public readonly nuint FreeInBlocks;
        public readonly nuint AtTop;
    }
}
