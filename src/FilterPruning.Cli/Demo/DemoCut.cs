using System.Diagnostics;
using FilterPruning.Detection.Evaluation;
using FilterPruning.Detection.Models;
using FilterPruning.Planning;

namespace FilterPruning.Cli.Demo;

/// <summary>One way to prune the demo's model.</summary>
internal sealed class DemoCut : IDisposable
{
    private readonly PruningOptions _options;
    private readonly DetectorDescription _description;
    private PruningPlan? _plan;
    private double _proof;

    /// <param name="checkpoint">The dense model; loaded once more, to be pruned.</param>
    /// <param name="options">What goes; with <see cref="PruningScope.Allocated"/> channels and widths are chosen for the repair.</param>
    public DemoCut(string checkpoint, PruningOptions options)
    {
        _options = options;
        (Model, _description) = DetectorFile.Load(checkpoint);
    }

    public MaskRcnnModel Model { get; }

    public PruningPlan Plan => _plan!;

    public Cost After { get; private set; }

    /// <summary>Seconds from the unlabelled scenes to the repaired model.</summary>
    public double Seconds { get; private set; }

    /// <summary>Prunes; repairs before the cut where there are scenes.</summary>
    public void Run(IReadOnlyList<Tensor> scenes, Action<double, string> report, CancellationToken cancellation)
    {
        var chooses = _options.Scope == PruningScope.Allocated;
        var job = new PruneJob(Model, _options, byReconstruction: chooses);
        job.Trace(Math.Min(_description.Options.MinSize, PruneJob.TraceSize));
        var start = Stopwatch.GetTimestamp();
        if (chooses)
            job.Collect(scenes, (_, _) => { }, cancellation);
        _plan = job.Plan();
        if (scenes.Count > 0)
            job.Repair(scenes, report, cancellation);
        Seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        _proof = job.Cut();
        After = job.After;
    }

    public DemoModel Measured(string title, EvaluationResult evaluation, LatencyFigures latency)
    {
        using var file = new ScratchFile();
        DetectorFile.SavePruned(Model, Plan, _description, file.Path);
        return new DemoModel(title, After, evaluation, latency, new FileInfo(file.Path).Length, _proof);
    }

    public void Dispose() => Model.Dispose();
}
