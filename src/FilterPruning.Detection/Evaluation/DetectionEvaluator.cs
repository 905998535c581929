using FilterPruning.Detection.Data;
using FilterPruning.Detection.Models;

namespace FilterPruning.Detection.Evaluation;

/// <summary>How far an evaluation is.</summary>
/// <param name="Done">Images done.</param>
/// <param name="Total">Images in all.</param>
/// <param name="Detections">Detections so far.</param>
public readonly record struct EvaluationProgress(int Done, int Total, int Detections);

/// <summary>
/// Runs a detector over a data set and measures it. Holds one batch of images at a time; of the detections only boxes, scores and run-length masks are kept.
/// </summary>
public static class DetectionEvaluator
{
    /// <summary>Evaluates any detector.</summary>
    /// <param name="detect">
    /// Takes images, float32 <c>[3, H, W]</c>, RGB, 0 … 1, on the CPU, which it must not dispose, and gives a detection for each at the image's own size. The detections
    /// are disposed here.
    /// </param>
    /// <param name="dataset">The data set. Where it is an <see cref="IGroundTruthSource"/>, its annotations are the truth, otherwise the samples' targets and crowds.</param>
    /// <param name="options">Which images and how; null for the defaults.</param>
    /// <param name="progress">Told after each batch.</param>
    /// <param name="cancellation">Ends the work early.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    /// <exception cref="PruningException">The detector's answers do not have the promised form, or the data set cannot be read.</exception>
    /// <exception cref="OperationCanceledException">The work was cancelled.</exception>
    public static EvaluationResult Evaluate(
        Func<IReadOnlyList<Tensor>, IReadOnlyList<Models.Detection>> detect,
        IDetectionDataset dataset,
        EvaluationOptions? options = null,
        IProgress<EvaluationProgress>? progress = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(detect);
        ArgumentNullException.ThrowIfNull(dataset);
        options ??= new EvaluationOptions();
        options.Validate();
        var (first, count) = IndexRange(options.Images, dataset);
        var truths = new List<GroundTruthInstance>();
        var detections = new List<DetectedInstance>();
        var images = new List<long>();
        for (var done = 0; done < count;)
        {
            cancellation.ThrowIfCancellationRequested();
            var size = Math.Min(options.BatchSize, count - done);
            EvaluateBatch(detect, dataset, first + done, size, options, images, truths, detections);
            done += size;
            progress?.Report(new EvaluationProgress(done, count, detections.Count));
        }

        return Measure(dataset, images, truths, detections, options, cancellation);
    }

    /// <summary>
    /// Evaluates a model, in evaluation mode, without gradients, and on the device it is on. Its mode is as before afterwards.
    /// </summary>
    /// <inheritdoc cref="Evaluate(Func{IReadOnlyList{Tensor}, IReadOnlyList{Models.Detection}}, IDetectionDataset, EvaluationOptions?, IProgress{EvaluationProgress}?, CancellationToken)"/>
    /// <param name="model">The model.</param>
    /// <param name="dataset">The data set.</param>
    /// <param name="options">Which images and how; null for the defaults.</param>
    /// <param name="progress">Told after each batch.</param>
    /// <param name="cancellation">Ends the work early.</param>
    public static EvaluationResult Evaluate(
        MaskRcnnModel model,
        IDetectionDataset dataset,
        EvaluationOptions? options = null,
        IProgress<EvaluationProgress>? progress = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(dataset);
        if (model.NumClasses != dataset.ClassNames.Count + 1)
        {
            throw new ArgumentException(
                $"The model has {model.NumClasses} classes, but the data set '{dataset.Name}' has {dataset.ClassNames.Count} and the background. Evaluate with the classes the model was trained for"
                + " (for checkpoints whose labels are COCO's category ids, open the data set with KeepCategoryIds).", nameof(model));
        }

        var modes = model.modules().Prepend(model).Select(module => (module, module.training)).ToArray();
        var device = model.parameters().FirstOrDefault()?.device ?? CPU;
        model.eval();
        try
        {
            return Evaluate(Detect, dataset, options, progress, cancellation);
        }
        finally
        {
            // parents come before their children here, and train() reaches all below: so each module ends with its own mode
            foreach (var (module, training) in modes)
            {
                if (module.training != training)
                    module.train(training);
            }
        }

        IReadOnlyList<Models.Detection> Detect(IReadOnlyList<Tensor> images)
        {
            using var noGrad = no_grad();
            var moved = images.Select(image => image.to(device)).ToArray();
            try
            {
                return model.Detect(moved);
            }
            finally
            {
                for (var i = 0; i < moved.Length; i++)
                {
                    if (!ReferenceEquals(moved[i], images[i]))
                        moved[i].Dispose();
                }
            }
        }
    }

    /// <summary>Measures detections that are there already.</summary>
    internal static EvaluationResult Measure(
        IDetectionDataset dataset, IReadOnlyList<long> images, List<GroundTruthInstance> truths, List<DetectedInstance> detections, EvaluationOptions options, CancellationToken cancellation)
    {
        var pairs = MatchedIou.OfImages(truths, detections, IouType.Mask, options.MatchIou, options.MatchScore);
        var matched = MatchedIou.Summarize(pairs);
        var masks = CocoEvaluator.Accumulate(truths, detections, IouType.Mask, cancellation);
        return new EvaluationResult
        {
            Dataset = dataset.Name,
            Box = CocoEvaluator.Evaluate(truths, detections, IouType.Box, cancellation),
            Mask = CocoEvaluator.Summarize(masks),
            IouAt50 = matched.MeanIou,
            MatchRate = matched.MatchRate,
            Images = images.Count,
            Instances = matched.GroundTruths,
            Detections = detections.Count,
            ClassNames = dataset.ClassNames,
            Intervals = options.BootstrapResamples == 0 ? null : BootstrapIntervals.Draw(images, masks, pairs, options.BootstrapResamples, options.BootstrapSeed, cancellation),
        };
    }

    private static void EvaluateBatch(
        Func<IReadOnlyList<Tensor>, IReadOnlyList<Models.Detection>> detect, IDetectionDataset dataset, int first, int size, EvaluationOptions options,
        List<long> images, List<GroundTruthInstance> truths, List<DetectedInstance> detections)
    {
        using var scope = NewDisposeScope();
        var samples = new List<DetectionSample>(size);
        IReadOnlyList<Models.Detection> answers = [];
        try
        {
            for (var i = 0; i < size; i++)
            {
                samples.Add(dataset.Load(first + i));
                images.Add(samples[i].ImageId);
                truths.AddRange((dataset as IGroundTruthSource)?.GroundTruth(first + i) ?? InstanceConverter.FromSample(samples[i]));
            }

            answers = detect([.. samples.Select(sample => sample.Image)]);
            if (answers.Count != size)
                throw new PruningException($"The detector gave {answers.Count} answers for {size} images; one for each image is needed.");
            for (var i = 0; i < size; i++)
            {
                var (height, width) = ((int)samples[i].Image.shape[1], (int)samples[i].Image.shape[2]);
                detections.AddRange(InstanceConverter.FromDetection(samples[i].ImageId, answers[i], height, width, dataset.ClassNames.Count, options.MaskThreshold));
            }
        }
        finally
        {
            foreach (var answer in answers)
                answer.Dispose();
            foreach (var sample in samples)
                sample.Dispose();
        }
    }

    private static (int First, int Count) IndexRange(Range images, IDetectionDataset dataset)
    {
        try
        {
            return images.GetOffsetAndLength(dataset.Count);
        }
        catch (ArgumentOutOfRangeException error)
        {
            throw new ArgumentException($"The images {images} are asked for, but the data set '{dataset.Name}' has {dataset.Count}, numbered 0 … {dataset.Count - 1}.", nameof(images), error);
        }
    }
}
