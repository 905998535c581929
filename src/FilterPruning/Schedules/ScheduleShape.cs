namespace FilterPruning.Schedules;

/// <summary>How the share that is gone grows over the steps of an iterative run.</summary>
public enum ScheduleShape
{
    /// <summary>The same share of the original model goes at each step: <c>s · t / n</c>.</summary>
    Linear,

    /// <summary>The same share of what is left goes at each step: <c>1 − (1 − s)^(t / n)</c>.</summary>
    Exponential,

    /// <summary>
    /// Much at first, while the model has channels to spare, and little at the end: <c>s · (1 − (1 − t / n)³)</c>. Automated gradual pruning of
    /// Zhu and Gupta, "To prune, or not to prune" (2017), equation 1, from nothing.
    /// </summary>
    Cubic,
}

/// <summary>Schedules as formulas.</summary>
public static class PruningSchedule
{
    /// <summary>The share of the original model that is gone after a step.</summary>
    /// <param name="shape">How it grows.</param>
    /// <param name="final">The share that is gone after the last step: at least 0, below 1.</param>
    /// <param name="step">The step: 0 (before the first) to <paramref name="steps"/>.</param>
    /// <param name="steps">The number of steps, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value outside its range.</exception>
    public static double RemovedAfter(ScheduleShape shape, double final, int step, int steps)
    {
        if (!(final >= 0 && final < 1))
            throw new ArgumentOutOfRangeException(nameof(final), final, $"The final share is {final}; allowed is 0 <= share < 1. Give the share that is gone at the end.");
        if (steps < 1)
            throw new ArgumentOutOfRangeException(nameof(steps), steps, $"The number of steps is {steps}; allowed is 1 or more.");
        if (step < 0 || step > steps)
            throw new ArgumentOutOfRangeException(nameof(step), step, $"The step is {step}; allowed is 0 to {steps}.");
        if (step == 0 || step == steps)
            return step == 0 ? 0 : final;
        var part = (double)step / steps;
        // Rounding could take an intermediate step past the last one.
        return Math.Min(final, shape switch
        {
            ScheduleShape.Linear => final * step / steps,
            ScheduleShape.Exponential => 1 - Math.Pow(1 - final, part),
            ScheduleShape.Cubic => final * (1 - Math.Pow(1 - part, 3)),
            _ => throw new ArgumentOutOfRangeException(nameof(shape), shape, $"The shape is {(int)shape}; allowed are {string.Join(", ", Enum.GetNames<ScheduleShape>())}."),
        });
    }
}
