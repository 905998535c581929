using FilterPruning.Detection.Data;
using FilterPruning.Detection.Models;
using FilterPruning.Detection.Training;
using FilterPruning.Planning;

namespace FilterPruning.Cli.Study;

/// <summary>Fine-tunes a point's model from labels and the dense model, or from the latter alone.</summary>
internal sealed class FineTuneTreatment(IDetectionDataset training, FineTuneOptions options) : IStudyTreatment
{
    /// <inheritdoc/>
    public void Apply(MaskRcnnModel pruned, MaskRcnnModel dense, PruningPlan plan, double? budget, int seed, Action<double, string> report, CancellationToken cancellation)
    {
        var seeded = options with { Budget = budget ?? options.Budget, Recipe = options.Recipe with { Seed = seed, CheckpointPath = null, Resume = false } };
        using var tuner = new FineTuner(pruned, training, seeded, new DistillationTeacher(dense, plan));
        tuner.Train(new Immediate<TrainingProgress>(p => report((double)p.Iteration / p.TotalIterations, $"loss {p.Losses.Total:0.000}")), null, cancellation);
    }
}
