using FilterPruning.Benchmarks.Goals;
using FilterPruning.Detection.Models;
using FilterPruning.Graph;
using FilterPruning.Planning;
using FilterPruning.Surgery;
using MathNet.Numerics.Statistics;

namespace FilterPruning.Benchmarks.Speedup;

/// <summary>A dense detector and its twin, which is cut, timed beside the dense one, and put back, for one plan after another. One process, the same images, turn by turn.</summary>
/// <remarks>
/// Both return ten objects for every image, whatever their scores: a detector that was cut and not trained sees none or a hundred, and would then win or lose time that has nothing to do with its widths.
/// </remarks>
internal sealed class SpeedupBench : IDisposable
{
    private const int ObjectsPerImage = 10;

    private readonly MaskRcnnModel _dense;
    private readonly MaskRcnnModel _twin;
    private readonly DetectorDescription _description;
    private readonly MacsCount[] _counts;
    private readonly long _denseBytes;
    private readonly long _denseParameters;

    /// <param name="size">Pixels of the images' shorter side in the network.</param>
    /// <param name="images">How many images.</param>
    /// <param name="seed">Of images made of noise, where there are no photos.</param>
    public SpeedupBench(int size, int images, int seed)
    {
        using var guard = no_grad();
        Size = size;
        var options = new MaskRcnnOptions { MinSize = size, MaxSize = size * 5 / 3, BoxScoreThresh = 0, BoxDetectionsPerImage = ObjectsPerImage };
        _description = DetectorSetup.Description(options);
        Images = DetectorSetup.Images(images, seed);
        (_dense, _twin) = (DetectorSetup.Model(options), DetectorSetup.Model(options));

        // What hangs together does not depend on the size of the image. At 320 px the first photo is traced, so that a latency can be reckoned for it; large photos would take long, so there a strip is traced that stays narrow.
        var traced = size <= 320 ? Images[0] : Strip(seed);
        Graph = DependencyGraph.Trace(_twin, model => model.Detect([traced]));
        _counts = [.. Images.Select(Count)];
        _denseParameters = _dense.parameters().Sum(parameter => parameter.numel());
        _denseBytes = Saved(file => DetectorFile.Save(_dense, _description, file));
    }

    public int Size { get; }

    public Tensor[] Images { get; }

    /// <summary>The graph of the twin.</summary>
    public DependencyGraph Graph { get; }

    /// <summary>The twin, as it is cut at the moment.</summary>
    public MaskRcnnModel Twin => _twin;

    public void Dispose()
    {
        _dense.Dispose();
        _twin.Dispose();
        foreach (var image in Images)
            image.Dispose();
    }

    /// <summary>A plan of one of the families of <see cref="SpeedupPoint.Scope"/>.</summary>
    public PruningPlan PlanOf(string scope, double ratio, int multiple = 1) => scope switch
    {
        "local" => Plan(PruningScope.Local, ratio, multiple),
        "global" => Plan(PruningScope.Global, ratio, multiple),
        "macs" => PlanForMacs(PruningScope.Isomorphic, 1 - ratio, multiple),
        "local-macs" => PlanForMacs(PruningScope.Local, 1 - ratio, multiple),
        "global-macs" => PlanForMacs(PruningScope.Global, 1 - ratio, multiple),
        _ => throw new PruningException($"There is no scope '{scope}'. Name local, global, macs, local-macs or global-macs."),
    };

    /// <summary>The plan that leaves a share of the multiply-accumulates at this size, as nearly as widths allow.</summary>
    public PruningPlan PlanForMacs(PruningScope scope, double share, int multiple = 1)
    {
        var (low, high, best, distance) = (0.0, 0.98, (PruningPlan?)null, double.MaxValue);
        var dense = _counts.Sum(count => count.Macs);
        for (var step = 0; step < 12; step++)
        {
            var plan = Plan(scope, (low + high) / 2, multiple);
            var left = _counts.Sum(count => count.After(plan)) / (double)dense;
            if (Math.Abs(left - share) < distance)
                (best, distance) = (plan, Math.Abs(left - share));
            if (left > share)
                low = (low + high) / 2;
            else
                high = (low + high) / 2;
        }

        return best!;
    }

    /// <summary>Cuts the twin, does something, and puts the twin back bit by bit.</summary>
    public T Cut<T>(PruningPlan plan, Func<T> work)
    {
        using var guard = no_grad();
        using var cut = Surgeon.Apply(Graph, plan);
        try
        {
            return work();
        }
        finally
        {
            cut.Undo();
        }
    }

    /// <summary>Cuts the twin and times both models.</summary>
    /// <param name="plan">What to cut.</param>
    /// <param name="scope">The name of its family.</param>
    /// <param name="ratio">How much of what the family counts.</param>
    /// <param name="rounds">Rounds over all images, after one that does not count.</param>
    /// <param name="prepared">Whether both are prepared for inference.</param>
    /// <param name="sizes">Whether file and memory are measured too.</param>
    public SpeedupPoint Measure(PruningPlan plan, string scope, double ratio, int rounds, bool prepared = true, bool sizes = false) => Cut(plan, () =>
    {
        var pruned = Images.Select(Count).ToArray();
        using var one = prepared ? _dense.PrepareForInference() : null;
        using var other = prepared ? _twin.PrepareForInference() : null;
        var (dense, twin) = (new Timing(_dense, Images), new Timing(_twin, Images));
        for (var round = -1; round < rounds; round++)
        {
            for (var image = 0; image < Images.Length; image++)
            {
                // The order is turned, so that what one leaves in the caches meets both alike.
                var (first, second) = (round + image) % 2 == 0 ? (dense, twin) : (twin, dense);
                first.Run(image, round >= 0);
                second.Run(image, round >= 0);
            }
        }

        return new SpeedupPoint
        {
            Size = Size,
            Threads = get_num_threads(),
            Scope = scope,
            Ratio = ratio,
            Multiple = plan.Settings.ChannelMultiple,
            Prepared = prepared,
            Images = Images.Length,
            Rounds = rounds,
            ParametersDense = _denseParameters,
            ParametersPruned = _twin.parameters().Sum(parameter => parameter.numel()),
            MacsDense = _counts.Average(count => (double)count.Macs),
            MacsPruned = pruned.Average(count => (double)count.Macs),
            SpeedUp = Paired.MedianRatio(dense.Rounds(), twin.Rounds()),
            DenseP50 = dense.Times.Median(),
            DenseP95 = dense.Times.Percentile(95),
            PrunedP50 = twin.Times.Median(),
            PrunedP95 = twin.Times.Percentile(95),
            ObjectsDense = dense.Objects,
            ObjectsPruned = twin.Objects,
            Stages = Enum.GetValues<DetectionStage>().ToDictionary(stage => stage.ToString(), stage => new[] { Math.Round(dense.Of(stage), 2), Math.Round(twin.Of(stage), 2) }),
            FileBytesDense = sizes ? _denseBytes : null,
            FileBytesPruned = sizes ? Saved(file => DetectorFile.SavePruned(_twin, plan, _description, file)) : null,
            PeakBytesDense = sizes ? PeakMemory.RiseOf(() => dense.Run(0, counts: false)) : null,
            PeakBytesPruned = sizes ? PeakMemory.RiseOf(() => twin.Run(0, counts: false)) : null,
        };
    });

    /// <summary>The median milliseconds of the twin, as it is now, for the first image.</summary>
    public double TimeTwin(int rounds)
    {
        var timing = new Timing(_twin, Images);
        for (var round = -1; round < rounds; round++)
            timing.Run(0, round >= 0);
        return timing.Times.Median();
    }

    private PruningPlan Plan(PruningScope scope, double ratio, int multiple) => PruningPlanner.CreatePlan(
        Graph, new PruningOptions { Ratio = ratio, Scope = scope, Normalization = scope == PruningScope.Local ? ScoreNormalization.None : ScoreNormalization.Mean, ChannelMultiple = multiple });

    private MacsCount Count(Tensor image) => MacsCount.Of(Graph, () =>
    {
        using var guard = no_grad();
        foreach (var detection in _twin.Detect([image]))
            detection.Dispose();
    });

    private static Tensor Strip(int seed)
    {
        using var generator = new Generator((ulong)seed);
        return rand([3, 16, 128], generator: generator).DetachFromDisposeScope();
    }

    private static long Saved(Action<string> save)
    {
        var file = Path.Combine(Path.GetTempPath(), $"filter-pruning-speedup-{Environment.ProcessId}.safetensors");
        try
        {
            save(file);
            return new FileInfo(file).Length;
        }
        finally
        {
            File.Delete(file);
        }
    }

    /// <summary>The times of one model.</summary>
    private sealed class Timing(MaskRcnnModel model, Tensor[] images)
    {
        private readonly List<StageTimes> _stages = [];
        private int _objects;

        public List<double> Times { get; } = [];

        /// <summary>Objects found in an image, on average.</summary>
        public double Objects => _objects / (double)Times.Count;

        public void Run(int image, bool counts)
        {
            var stages = new StageTimes();
            var start = ProcessorClock.Now;
            var found = model.Detect([images[image]], stages)[0];
            var time = ProcessorClock.Now - start;
            if (counts)
            {
                Times.Add(time);
                _stages.Add(stages);
                _objects += found.Count;
            }

            found.Dispose();
        }

        /// <summary>The time for all images, round by round.</summary>
        public double[] Rounds() => [.. Times.Chunk(images.Length).Select(round => round.Sum())];

        public double Of(DetectionStage stage) => _stages.Select(stages => stages[stage].TotalMilliseconds).Median();
    }
}
