using System.Security.Cryptography;
using System.Text;
using FilterPruning.Detection.Data;
using FilterPruning.Detection.Models;
using Microsoft.Extensions.Logging;

namespace FilterPruning.Detection.Training;

/// <summary>
/// Trains a pruned detector again for a part of its original budget, with labels, with a teacher (usually the model before it was pruned), or with both. A thin layer over
/// <see cref="DetectionTrainer"/>: the same checkpoints, resume to the same bits, checks for values that are not numbers, cancellation and progress.
/// </summary>
/// <remarks>
/// The student is changed in place; its widths stay, so that it is saved with the plan it was loaded with. The teacher is left exactly as it is. Without teacher this is a short training, and with
/// a teacher but without labels images need no annotations: any data set will do, for instance <see cref="UnlabelledImages"/>. Not thread-safe.
/// </remarks>
public sealed class FineTuner : IDisposable
{
    private readonly MaskRcnnModel _student;
    private readonly FineTuneOptions _options;
    private readonly Distiller? _distiller;
    private readonly IDetectionDataset _data;
    private readonly ILogger? _logger;
    private readonly string _method;

    /// <summary>Prepares a fine-tuning.</summary>
    /// <param name="student">The pruned detector, repaired or not; changed in place by <see cref="Train"/>.</param>
    /// <param name="data">The images; their targets are read only where <see cref="FineTuneOptions.Labels"/> is set.</param>
    /// <param name="options">How to train; null for the defaults.</param>
    /// <param name="teacher">The model to learn from; null for none. Not owned.</param>
    /// <param name="logger">Told about start, resume, checkpoints and the end; null for none.</param>
    /// <exception cref="ArgumentException">Options out of range, no images, a teacher that cannot be compared with the student, or neither labels nor a teacher.</exception>
    public FineTuner(MaskRcnnModel student, IDetectionDataset data, FineTuneOptions? options = null, DistillationTeacher? teacher = null, ILogger? logger = null)
    {
        ArgumentNullException.ThrowIfNull(student);
        ArgumentNullException.ThrowIfNull(data);
        _options = options ?? new FineTuneOptions();
        _options.Validate();
        if (data.Count == 0)
            throw new ArgumentException($"The data set '{data.Name}' has no images; there is nothing to train on.", nameof(data));
        if (teacher is null && !_options.Labels)
            throw new ArgumentException("Labels is false and there is no teacher, so there is nothing to learn from; give a teacher, or use the labels.", nameof(options));
        if (_options.Labels && data.ClassNames.Count >= student.NumClasses)
        {
            throw new ArgumentException(
                $"The data set '{data.Name}' has {data.ClassNames.Count} classes, the detector {student.NumClasses - 1} beside the background. Give the data that it was trained on, or set Labels to false.", nameof(data));
        }

        (_student, _data, _logger) = (student, data, logger);
        // A teacher whose terms all weigh nothing is allowed beside labels: the same command then gives the run without it.
        _distiller = teacher is not null && (_options.Distillation.Any || !_options.Labels) ? new Distiller(student, teacher, _options.Distillation) : null;
        _method = Describe(teacher);
        Training = _options.ToTraining(data.Count);
    }

    /// <summary>The training that is done.</summary>
    public TrainingOptions Training { get; }

    /// <summary>Momenta to begin with and to leave behind, so that training goes on across the cuts of an <see cref="Schedules.IterativePruner"/>; null (default) begins with zeros.</summary>
    public TrainingMomentum? Momentum { get; init; }

    /// <summary>Iterations of the whole run.</summary>
    public int TotalIterations => Training.MaximumIterations;

    /// <summary>Trains to the end, or from the checkpoint to the end; see <see cref="DetectionTrainer.Train"/>, whose promises and errors hold here.</summary>
    /// <param name="progress">Told after each iteration; null for none.</param>
    /// <param name="evaluate">Called in evaluation mode; see <see cref="DetectionTrainer.Train"/>.</param>
    /// <param name="cancellation">Looked at between iterations: a cancelled run writes a checkpoint and throws.</param>
    /// <exception cref="OperationCanceledException">The run was cancelled.</exception>
    /// <exception cref="TrainingDivergedException">A loss or gradient is infinite or not a number.</exception>
    /// <exception cref="PruningException">The checkpoint does not fit model, data, options or teacher, or a sample could not be loaded.</exception>
    public TrainingResult Train(IProgress<TrainingProgress>? progress = null, Action<TrainingProgress>? evaluate = null, CancellationToken cancellation = default)
    {
        TorchSharp.Modules.Parameter[] thawed = _options.KeepFrozen ? [] : [.. _student.parameters().Where(parameter => !parameter.requires_grad)];
        foreach (TorchSharp.Modules.Parameter parameter in thawed)
            parameter.requires_grad = true;
        try
        {
            return new DetectionTrainer(_student, Losses, _data, Training, _logger) { Method = _method, Momentum = Momentum }.Train(progress, evaluate, cancellation);
        }
        finally
        {
            foreach (TorchSharp.Modules.Parameter parameter in thawed)
                parameter.requires_grad = false;
        }
    }

    /// <summary>Lets go of the teacher; disposes neither model.</summary>
    public void Dispose() => _distiller?.Dispose();

    private LossDict Losses(IReadOnlyList<Tensor> images, IReadOnlyList<Target> targets, Generator generator)
    {
        if (_options.FreezeStatistics)
        {
            foreach (nn.Module norm in _student.modules().Where(module => module is TorchSharp.Modules.BatchNorm2d))
                norm.eval();
        }

        return _distiller is null ? _student.Losses(images, targets, generator) : _distiller.Losses(images, _options.Labels ? targets : null, generator);
    }

    private string Describe(DistillationTeacher? teacher)
    {
        string statistics = _options.FreezeStatistics ? ", statistics frozen" : "";
        return _distiller is null
            ? _options.FreezeStatistics ? "labels" + statistics : ""
            : $"{(_options.Labels ? "labels and " : "")}a teacher ({Fingerprint(teacher!.Model)}; {_options.Distillation.Describe()}){statistics}";
    }

    /// <summary>The first digits of a hash over all weights: another teacher must not go on where one stopped.</summary>
    private static string Fingerprint(MaskRcnnModel model)
    {
        using var scope = NewDisposeScope();
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach ((string name, Tensor value) in TrainingState.TensorsOf(model))
        {
            hash.AppendData(Encoding.UTF8.GetBytes(name));
            hash.AppendData(value.detach().cpu().contiguous().bytes);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset())[..12];
    }
}
