using System.Diagnostics;
using FilterPruning.Criteria;
using FilterPruning.Detection.Data;
using FilterPruning.Detection.Evaluation;
using FilterPruning.Detection.Models;
using FilterPruning.Graph;
using FilterPruning.Layers;
using FilterPruning.Planning;
using FilterPruning.Storage;
using FilterPruning.Surgery;

namespace FilterPruning.Cli.Study;

/// <summary>
/// Measures points of a study, one after another, on one model that is traced once: plan, repair, cut and prove, evaluate, time; then the cut is taken back and the weights
/// are those of the untouched twin again, bit by bit. The twin is also what latencies are compared with.
/// </summary>
internal sealed class StudyBench : IDisposable
{
    private const int BootstrapResamples = 1000;

    private readonly MaskRcnnModel _model;
    private readonly MaskRcnnModel _dense;
    private readonly DetectorDescription _description;
    private readonly StudyData _data;
    private readonly int _latencyPairs;
    private readonly IStudyTreatment? _treatment;
    private readonly DependencyGraph _graph;
    private readonly StudyCalibration _calibration;
    private readonly Dictionary<(string Criterion, int Seed), ScoredOnce> _criteria = [];
    private readonly string _denseHash;
    private readonly Cost _denseCost;
    private readonly long _denseBytes;
    private (string Key, PruningPlan Plan, double? Score, double Seconds)? _lastPlan;

    /// <summary>Traces the model.</summary>
    /// <param name="model">The model that is pruned, again and again; owned from now on, in evaluation mode.</param>
    /// <param name="dense">A second instance with the same weights; owned from now on, never changed.</param>
    /// <param name="description">What both are.</param>
    /// <param name="data">The images; owned from now on.</param>
    /// <param name="latencyPairs">How often the dense and the pruned model are timed in turn; 0 for not at all.</param>
    /// <param name="treatment">What fine-tunes; null when no point is fine-tuned.</param>
    public StudyBench(MaskRcnnModel model, MaskRcnnModel dense, DetectorDescription description, StudyData data, int latencyPairs, IStudyTreatment? treatment = null)
    {
        (_model, _dense, _description, _data, _latencyPairs, _treatment) = (model, dense, description, data, latencyPairs, treatment);
        // On a real photo at the real size: what the graph counts is then the work on that photo, its proposals and detections included.
        var example = data.Photos[0];
        _graph = DependencyGraph.Trace(model, detector => detector.Detect([example]));
        _calibration = new StudyCalibration(model, _graph, data.Photos);
        _denseCost = ModelCost.Measure(_graph);
        _denseHash = StateHash.Of(dense);
        if (StateHash.Of(model) != _denseHash)
            throw new ArgumentException("The two models differ. Load both from one file.", nameof(dense));
        using var file = new ScratchFile();
        DetectorFile.Save(dense, description, file.Path);
        _denseBytes = new FileInfo(file.Path).Length;
    }

    /// <summary>Height and width, in pixels, of the traced network input.</summary>
    public IReadOnlyList<int> InputSize => [.. _graph.Layers[0].Calls[0].InputShape.TakeLast(2).Select(side => (int)side)];

    /// <summary>The fingerprint of the model as it is now; the dense model's between two points.</summary>
    public string ModelHash => StateHash.Of(_model);

    /// <summary>
    /// Measures a point. What cannot be planned, cut, repaired or evaluated is a result as well: its status says why. A full disk or a photo that is gone is none, since it says nothing about the
    /// point: it ends the run. Afterwards the model is as it was before, also after a cancellation.
    /// </summary>
    /// <param name="key">The point.</param>
    /// <param name="report">Told what is being done.</param>
    /// <param name="cancellation">Ends the point early.</param>
    /// <exception cref="InvalidOperationException">The model could not be put back; nothing measured afterwards would be right.</exception>
    public StudyPoint Measure(StudyKey key, Action<string> report, CancellationToken cancellation)
    {
        var start = Stopwatch.GetTimestamp();
        var hasPeak = PeakMemory.Reset();
        var point = StudyPoint.Of(key) with
        {
            Version = Surroundings.Version,
            Torch = Surroundings.Torch,
            Threads = get_num_threads(),
            Machine = Surroundings.Machine,
            ParametersDense = _denseCost.Parameters,
            MacsDense = _denseCost.Macs,
            FileBytesDense = _denseBytes,
            InputSize = InputSize,
        };
        CutResult? cut = null;
        try
        {
            point = key.IsDense ? Dense(point, report, cancellation) : Pruned(point, key, report, ref cut, cancellation);
        }
        catch (Exception error) when (error is PruningException or ArgumentException && !IsOfThisMachine(error))
        {
            point = point with { Status = error.Message.ReplaceLineEndings(" ") };
        }
        finally
        {
            PutBack(cut);
        }

        return point with
        {
            PeakMemoryBytes = hasPeak ? PeakMemory.Read() : null,
            Seconds = point.Seconds with { Total = Rounded(Stopwatch.GetElapsedTime(start).TotalSeconds) },
        };
    }

    public void Dispose()
    {
        foreach (var criterion in _criteria.Values)
            criterion.Dispose();
        _calibration.Dispose();
        _model.Dispose();
        _dense.Dispose();
        _data.Dispose();
    }

    private StudyPoint Dense(StudyPoint point, Action<string> report, CancellationToken cancellation) => Evaluated(
        point with
        {
            Note = "The unpruned model: ratio 0 of every criterion, scope and repair.",
            Parameters = _denseCost.Parameters,
            Macs = _denseCost.Macs,
            FileBytes = _denseBytes,
            Compression = 1,
            Filters = FilterLayers(_graph).Sum(layer => layer.OutputChannels),
            FiltersRemoved = 0,
        },
        report,
        cancellation);

    private StudyPoint Pruned(StudyPoint point, StudyKey key, Action<string> report, ref CutResult? cut, CancellationToken cancellation)
    {
        // The model is dense now, as what is collected of it has to be.
        var needsPhotos = StudyRepairs.NeedsPhotos(key.Repair);
        if (needsPhotos || key.Criterion == StudyCriteria.Gram)
        {
            report("collecting what layers read");
            _calibration.Collect(cancellation);
            point = point with { Seconds = point.Seconds with { Collect = Rounded(_calibration.Seconds) } };
        }

        report("planning");
        cancellation.ThrowIfCancellationRequested();
        var (plan, score, planned) = PlanOf(key);
        point = point with { Seconds = point.Seconds with { Score = Rounded(score), Plan = Rounded(planned) } };
        if (key.Repair != StudyRepairs.None)
        {
            var watch = Stopwatch.GetTimestamp();
            var input = new RepairInput(_model, _graph, plan, _calibration);
            StudyRepairs.Apply(key.Repair, input, share => report($"repairing, {share:P0}"), cancellation);
            point = point with { Seconds = point.Seconds with { Repair = Since(watch) } };
        }

        cancellation.ThrowIfCancellationRequested();
        report("cutting and proving");
        var clock = new CutClock();
        cut = Surgeon.Apply(_graph, plan, new SurgeryOptions { Progress = clock });
        point = point with { ProofError = cut.ProofError, Seconds = point.Seconds with { Cut = Rounded(clock.Cut), Prove = Rounded(clock.Prove) } };
        if (key.FineTuned)
        {
            var watch = Stopwatch.GetTimestamp();
            var treatment = _treatment ?? throw new ArgumentException("The point is fine-tuned, but nothing was given that fine-tunes.", nameof(key));
            treatment.Apply(_model, _dense, plan, key.Budget, key.Seed, (share, about) => report($"fine-tuning, {share:P0} {about}"), cancellation);
            _model.eval();
            point = point with { Seconds = point.Seconds with { Treat = Since(watch) } };
        }

        var cost = ModelCost.Measure(_graph);
        var filters = FilterLayers(_graph).Select(layer => plan.Find(layer.Name)!).ToList();
        point = point with
        {
            Parameters = cost.Parameters,
            Macs = cost.Macs,
            Compression = Math.Round((double)_denseCost.Parameters / cost.Parameters, 6),
            Filters = filters.Sum(layer => layer.OutputChannels),
            FiltersRemoved = filters.Sum(layer => layer.RemovedOutputs.Count),
            FileBytes = SavedBytes(plan),
        };
        return Evaluated(point, report, cancellation);
    }

    private StudyPoint Evaluated(StudyPoint point, Action<string> report, CancellationToken cancellation)
    {
        var watch = Stopwatch.GetTimestamp();
        var progress = new Immediate<EvaluationProgress>(p => report($"evaluating, {p.Done} of {p.Total} images"));
        var result = DetectionEvaluator.Evaluate(_model, _data.Test, new EvaluationOptions { BootstrapResamples = BootstrapResamples }, progress, cancellation);
        point = point.With(result) with { Seconds = point.Seconds with { Evaluate = Since(watch) } };
        if (_latencyPairs > 0)
        {
            report("comparing latency");
            watch = Stopwatch.GetTimestamp();
            // Layer by layer, as all points of a study before: what counts here is their ratio.
            var times = Latency.Compare([_dense, _model], [_data.Photos[0]], _latencyPairs, prepared: false, cancellation);
            point = point with
            {
                DenseLatencyP50 = Rounded(times[0].Median),
                DenseLatencyP95 = Rounded(times[0].P95),
                LatencyP50 = Rounded(times[1].Median),
                LatencyP95 = Rounded(times[1].P95),
                Seconds = point.Seconds with { Latency = Since(watch) },
            };
        }

        return point with { Status = StudyPoint.Measured };
    }

    // Raw and repaired points follow each other and share their plan; all plans of a criterion share its scores.
    private (PruningPlan Plan, double? Score, double Seconds) PlanOf(StudyKey key)
    {
        if (_lastPlan is { } last && last.Key == key.PlanText)
            return (last.Plan, last.Score, last.Seconds);
        var options = StudyScopes.Apply(key.Scope, new PruningOptions { Ratio = key.Ratio ?? 0, Target = key.Target is { } target ? PruningTarget.Parse(target) : null });
        var criterion = StudyCriteria.Create(key.Criterion, key.Seed, () => _calibration.Sample);
        ScoredOnce? scored = null;
        // An allocation does more with its criterion than score.
        if (options.Scope is PruningScope.Local or PruningScope.Global or PruningScope.Isomorphic && !_criteria.TryGetValue((key.Criterion, key.Seed), out scored))
            _criteria[(key.Criterion, key.Seed)] = scored = ScoredOnce.Of(criterion);
        var before = scored?.Seconds ?? 0;
        var start = Stopwatch.GetTimestamp();
        var plan = PruningPlanner.CreatePlan(_graph, LayerScopes.Restrict(options with { Criterion = (IPruningCriterion?)scored ?? criterion }, key.Layers, _graph));
        var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds - ((scored?.Seconds ?? 0) - before);
        _lastPlan = (key.PlanText, plan, scored?.Seconds, seconds);
        return (plan, scored?.Seconds, seconds);
    }

    private long SavedBytes(PruningPlan plan)
    {
        using var file = new ScratchFile();
        DetectorFile.SavePruned(_model, plan, _description, file.Path);
        return new FileInfo(file.Path).Length;
    }

    // What another run, on another day, might not meet again.
    private static bool IsOfThisMachine(Exception error)
    {
        for (var cause = error; cause is not null; cause = cause.InnerException)
        {
            if (cause is IOException or UnauthorizedAccessException or ModelFileException or DatasetException or ImageException)
                return true;
        }

        return false;
    }

    // An undo gives back what was cut, a repair included; the twin has what was before the repair.
    private void PutBack(CutResult? cut)
    {
        cut?.Undo();
        cut?.Dispose();
        using (NewDisposeScope())
        {
            using var noGrad = no_grad();
            var original = _dense.state_dict();
            foreach (var (name, tensor) in _model.state_dict())
                tensor.copy_(original[name]);
        }

        _model.eval();
        if (ModelHash != _denseHash)
            throw new InvalidOperationException("The model could not be put back as it was before the point. Nothing measured from here on would be right; start again, the points so far are safe.");
    }

    private static IEnumerable<TracedLayer> FilterLayers(DependencyGraph graph) => graph.Layers.Where(layer => layer.Mapping != ChannelMapping.ChannelWise);

    private static double Since(long start) => Rounded(Stopwatch.GetElapsedTime(start).TotalSeconds);

    private static double Rounded(double value) => Math.Round(value, 3);

    private static double? Rounded(double? value) => value is { } known ? Rounded(known) : null;

    /// <summary>Tells the seconds of a cut from those of its proof, to which the record of the masked model belongs.</summary>
    private sealed class CutClock : IProgress<PruningProgress>
    {
        private readonly long _start = Stopwatch.GetTimestamp();
        private double _masked;
        private double _cut;
        private double _proved;

        public double Cut => _cut - _masked;

        public double Prove => _masked + _proved - _cut;

        public void Report(PruningProgress value)
        {
            var seconds = Stopwatch.GetElapsedTime(_start).TotalSeconds;
            if (value is { Stage: PruningStage.Cut, Done: 1 })
                _masked = seconds;
            else if (value is { Stage: PruningStage.Cut, Done: 2 })
                _cut = seconds;
            else if (value is { Stage: PruningStage.Prove, Done: 1 })
                _proved = seconds;
        }
    }
}
