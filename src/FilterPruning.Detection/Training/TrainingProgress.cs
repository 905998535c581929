namespace FilterPruning.Detection.Training;

/// <summary>The losses of one iteration as numbers; see <see cref="Models.LossDict"/>.</summary>
/// <param name="Classifier">The box head's classes.</param>
/// <param name="BoxRegression">The box head's offsets.</param>
/// <param name="Mask">The mask head.</param>
/// <param name="Objectness">The RPN's objectness.</param>
/// <param name="RpnBoxRegression">The RPN's offsets.</param>
public readonly record struct LossValues(float Classifier, float BoxRegression, float Mask, float Objectness, float RpnBoxRegression)
{
    /// <summary>What a teacher adds; 0 where there is none.</summary>
    public float Distillation { get; init; }

    /// <summary>The sum of all.</summary>
    public float Total => Classifier + BoxRegression + Mask + Objectness + RpnBoxRegression + Distillation;
}

/// <summary>Where a training stands after an iteration.</summary>
public sealed record TrainingProgress
{
    /// <summary>The epoch of the iteration, from 0.</summary>
    public required int Epoch { get; init; }

    /// <summary>Iterations done, 1 … <see cref="TotalIterations"/>.</summary>
    public required int Iteration { get; init; }

    /// <summary>Iterations of the whole run.</summary>
    public required int TotalIterations { get; init; }

    /// <summary>The iteration's losses.</summary>
    public required LossValues Losses { get; init; }

    /// <summary>The iteration's learning rate.</summary>
    public required double LearningRate { get; init; }

    /// <summary>The Euclidean norm of the gradient before clipping.</summary>
    public required double GradientNorm { get; init; }

    /// <summary>Images per second over the last iterations of this process.</summary>
    public required double ImagesPerSecond { get; init; }
}

/// <summary>How a training ended.</summary>
public sealed record TrainingResult
{
    /// <summary>Iterations of the whole run, those before a resume included.</summary>
    public required int Iterations { get; init; }

    /// <summary>Iterations that a checkpoint had already done when this call started.</summary>
    public required int ResumedFrom { get; init; }

    /// <summary>The mean losses of the last (at most 100) iterations of this call; null where this call had nothing left to do.</summary>
    public required LossValues? RecentLosses { get; init; }

    /// <summary>How long this call took.</summary>
    public required TimeSpan Elapsed { get; init; }
}
