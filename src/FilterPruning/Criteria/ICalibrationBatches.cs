namespace FilterPruning.Criteria;

/// <summary>The batches a data-driven criterion looks at. <see cref="CalibrationBatches"/> makes one from a model and its inputs.</summary>
public interface ICalibrationBatches
{
    /// <summary>The number of batches; at least 1.</summary>
    int Count { get; }

    /// <summary>Runs the model once, through <c>call</c>, on one batch.</summary>
    /// <param name="index">0 … <see cref="Count"/> − 1; each is asked for once a pass, in order. The same index should give the same data every time.</param>
    /// <returns>
    /// For criteria that need gradients: the loss, one number with its history, not yet propagated back. For criteria that look at activations alone: anything, or null.
    /// A tensor made during the call is disposed afterwards; one that was made before stays its owner's.
    /// </returns>
    /// <remarks>
    /// The model is in evaluation mode, so that batch norms use their running statistics and dropout is off; code that needs another mode may set it, for it is put
    /// back afterwards. Torch's random state on the CPU has been seeded from the criterion's seed and <paramref name="index"/>.
    /// </remarks>
    Tensor? Run(int index);
}
