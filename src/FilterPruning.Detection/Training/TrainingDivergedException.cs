namespace FilterPruning.Detection.Training;

/// <summary>A loss or a gradient became infinite or not a number. The last checkpoint, where there is one, is from before that.</summary>
public sealed class TrainingDivergedException : PruningException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="iteration">The iteration that diverged, from 1.</param>
    /// <param name="message">What became of which number, and what to do.</param>
    public TrainingDivergedException(int iteration, string message)
        : base(message) => Iteration = iteration;

    /// <summary>The iteration that diverged, from 1.</summary>
    public int Iteration { get; }
}
