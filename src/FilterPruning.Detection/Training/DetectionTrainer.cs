using System.Diagnostics;
using FilterPruning.Detection.Data;
using FilterPruning.Detection.Models;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace FilterPruning.Detection.Training;

/// <summary>
/// Trains a detector: stochastic gradient descent over a data set, with a checkpoint from which a killed run continues to the same result, bit for bit.
/// Which images an iteration sees, how they are augmented, and what the model's samplers draw are functions of the seed and the iteration's number alone.
/// </summary>
/// <remarks>Not thread-safe; one training at a time per model. A model of any architecture can be trained whose step gives the five losses of Mask R-CNN, a pruned one too.</remarks>
public sealed class DetectionTrainer
{
    private readonly nn.Module _model;
    private readonly Func<IReadOnlyList<Tensor>, IReadOnlyList<Target>, Generator, LossDict> _losses;
    private readonly SampleSource _source;
    private readonly TrainingOptions _options;
    private readonly ILogger _logger;
    private readonly int _total;

    /// <summary>Prepares the training of a Mask R-CNN.</summary>
    /// <param name="model">The model; changed in place by <see cref="Train"/>.</param>
    /// <param name="data">The images; loaded on a background thread, one at a time.</param>
    /// <param name="options">How to train.</param>
    /// <param name="logger">Told about start, resume, checkpoints and the end; null for none.</param>
    /// <exception cref="ArgumentException">The options are out of range, or the data set is empty.</exception>
    public DetectionTrainer(MaskRcnnModel model, IDetectionDataset data, TrainingOptions options, ILogger? logger = null)
        : this(model, model.Losses, data, options, logger)
    {
    }

    /// <summary>Prepares the training of any module by the losses it gives.</summary>
    /// <param name="model">Whose parameters are trained; changed in place by <see cref="Train"/>.</param>
    /// <param name="losses">The losses on images (float32 <c>[3, H, W]</c>) and targets, on the model's device. What it draws at random must come from the given generator or from torch's default one: both are seeded anew before each call.</param>
    /// <param name="data">The images; loaded on a background thread, one at a time.</param>
    /// <param name="options">How to train.</param>
    /// <param name="logger">Told about start, resume, checkpoints and the end; null for none.</param>
    /// <exception cref="ArgumentException">The options are out of range, or the data set is empty.</exception>
    public DetectionTrainer(nn.Module model, Func<IReadOnlyList<Tensor>, IReadOnlyList<Target>, Generator, LossDict> losses, IDetectionDataset data, TrainingOptions options, ILogger? logger = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(losses);
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        if (data.Count == 0)
            throw new ArgumentException($"The data set '{data.Name}' has no images; there is nothing to train on.", nameof(data));

        (_model, _losses, _options, _logger) = (model, losses, options, logger ?? NullLogger.Instance);
        _source = new SampleSource(data, options);
        long total = (long)options.Epochs * _source.BatchesPerEpoch;
        if (total > int.MaxValue)
            throw new ArgumentException($"{options.Epochs} epochs of {_source.BatchesPerEpoch} iterations are more than {int.MaxValue} iterations; ask for fewer epochs.", nameof(options));
        _total = options.MaximumIterations > 0 ? (int)Math.Min(total, options.MaximumIterations) : (int)total;
    }

    /// <summary>
    /// Momenta to begin with and to leave behind, so that a training can go on after a cut; null (default) begins with zeros. A resumed run takes its own from the checkpoint.
    /// </summary>
    public TrainingMomentum? Momentum { get; init; }

    /// <summary>What the losses are made of where that is not the model's own five, for the checkpoint: a run resumes only with the same.</summary>
    internal string Method { get; init; } = "";

    /// <summary>Iterations of the whole run.</summary>
    public int TotalIterations => _total;

    /// <summary>
    /// Trains to the end, or from the checkpoint to the end. The model's modules keep their training flags, its parameters their <c>requires_grad</c> flags, and torch's default generator its state.
    /// </summary>
    /// <param name="progress">Told after each iteration; null for none.</param>
    /// <param name="evaluate">Called in evaluation mode with the weights to judge (the average where one is kept), every <see cref="TrainingOptions.EvaluationInterval"/> iterations and at the end.</param>
    /// <param name="cancellation">Looked at between iterations: a cancelled run writes a checkpoint and throws.</param>
    /// <exception cref="OperationCanceledException">The run was cancelled.</exception>
    /// <exception cref="TrainingDivergedException">A loss or gradient is infinite or not a number; the last checkpoint is untouched.</exception>
    /// <exception cref="InvalidOperationException">The model runs, or is changed, on another thread.</exception>
    /// <exception cref="ArgumentException">A pattern of <see cref="TrainingOptions.Frozen"/> matches no parameter, or nothing is left to train.</exception>
    /// <exception cref="PruningException">The checkpoint does not fit model, data or options, or a sample could not be loaded.</exception>
    public TrainingResult Train(IProgress<TrainingProgress>? progress = null, Action<TrainingProgress>? evaluate = null, CancellationToken cancellation = default)
    {
        using var alone = ModelUse.Change(_model, "a training");
        using var scope = NewDisposeScope();
        using var surroundings = new TrainingSurroundings(_model, _options.Frozen);
        using var state = new TrainingState(_model, surroundings.Trainable, _options, Momentum);
        var clock = Stopwatch.StartNew();
        int start = _options.Resume && File.Exists(_options.CheckpointPath) ? TrainingCheckpoint.Read(_options.CheckpointPath, state, _options, _source.Identity, Method) : 0;
        if (start > _total)
            throw new PruningException($"The checkpoint '{_options.CheckpointPath}' is at iteration {start}, but the run has only {_total}; resume with the epochs it was started with.");
        _logger.LogInformation("Training {Parameters} parameters on {Data}: iterations {Start} … {Total}", surroundings.Trainable.Sum(p => p.Parameter.numel()), _source.Identity, start, _total);

        var recent = new RecentLosses();
        using (var queue = new BatchQueue(_source.Load, start, _total, _options.PrefetchBatches))
        {
            for (int iteration = start; iteration < _total; iteration++)
            {
                if (cancellation.IsCancellationRequested)
                {
                    Save(state, iteration);
                    cancellation.ThrowIfCancellationRequested();
                }
                TrainingProgress now = RunIteration(state, queue, iteration, recent);
                progress?.Report(now);
                if (now.Iteration % _options.CheckpointInterval == 0 || now.Iteration == _total)
                    Save(state, now.Iteration);
                if (now.Iteration == _total || (_options.EvaluationInterval > 0 && now.Iteration % _options.EvaluationInterval == 0))
                    Evaluate(state, evaluate, now);
            }
        }

        state.Average?.Swap();
        _logger.LogInformation("Training done after {Iterations} iterations", _total);
        return new TrainingResult { Iterations = _total, ResumedFrom = start, RecentLosses = recent.Mean, Elapsed = clock.Elapsed };
    }

    private TrainingProgress RunIteration(TrainingState state, BatchQueue queue, int iteration, RecentLosses recent)
    {
        using var scope = NewDisposeScope();
        using SampleBatch batch = queue.Take();
        double rate = LearningRate.At(_options, iteration, _total, _source.BatchesPerEpoch);
        // What samplers inside the model draw must not depend on what ran before, or a resumed run would differ.
        long seed = _source.SamplingSeed(iteration);
        random.manual_seed(seed);
        state.Generator.manual_seed(seed);
        (IReadOnlyList<Tensor> images, IReadOnlyList<Target> targets) = batch.To(state.Device);
        LossDict losses = _losses(images, targets, state.Generator);
        LossValues values = ReadLosses(losses);
        if (!float.IsFinite(values.Total))
            throw Diverged(state, iteration, rate, $"the losses are {values}");
        losses.Total().backward();
        double norm = state.Optimizer.ClipGradients();
        if (!double.IsFinite(norm))
            throw Diverged(state, iteration, rate, $"the gradient's norm is {norm}, with losses {values}");
        state.Optimizer.Step(rate);
        state.Average?.Update(iteration);
        recent.Add(values, batch.Images.Count);
        return new TrainingProgress
        {
            Epoch = iteration / _source.BatchesPerEpoch,
            Iteration = iteration + 1,
            TotalIterations = _total,
            Losses = values,
            LearningRate = rate,
            GradientNorm = norm,
            ImagesPerSecond = recent.ImagesPerSecond,
        };
    }

    private static LossValues ReadLosses(LossDict losses)
    {
        using var scope = NewDisposeScope();
        Tensor distillation = losses.Distillation ?? zeros_like(losses.Classifier);
        Tensor all = stack([losses.Classifier, losses.BoxRegression, losses.Mask, losses.Objectness, losses.RpnBoxRegression, distillation]).detach().to(ScalarType.Float32).cpu();
        float[] v = all.data<float>().ToArray();
        return new LossValues(v[0], v[1], v[2], v[3], v[4]) { Distillation = v[5] };
    }

    private TrainingDivergedException Diverged(TrainingState state, int iteration, double rate, string what)
    {
        state.Optimizer.DropGradients();
        string kept = _options.CheckpointPath is { } path && File.Exists(path) ? $" The checkpoint '{path}' holds the last state that was kept." : "";
        return new TrainingDivergedException(iteration + 1,
            FormattableString.Invariant($"Training diverged in iteration {iteration + 1} of {_total}: {what} at learning rate {rate:g4}.{kept} Lower LearningRate, lengthen WarmUpIterations, or set ClipGradientNorm."));
    }

    private void Save(TrainingState state, int iteration)
    {
        if (_options.CheckpointPath is not { } path)
            return;
        TrainingCheckpoint.Write(path, state, _options, _source.Identity, Method, iteration, iteration / _source.BatchesPerEpoch);
        _logger.LogInformation("Checkpoint after iteration {Iteration}: {Path}", iteration, path);
    }

    private void Evaluate(TrainingState state, Action<TrainingProgress>? evaluate, TrainingProgress now)
    {
        if (evaluate is null)
            return;
        state.Average?.Swap();
        _model.eval();
        try
        {
            using var scope = NewDisposeScope();
            using var noGrad = no_grad();
            evaluate(now);
        }
        finally
        {
            _model.train();
            state.Average?.Swap();
        }
    }
}
