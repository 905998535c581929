namespace FilterPruning.Detection.Training;

/// <summary>The learning rate of each iteration; a pure function of the options.</summary>
internal static class LearningRate
{
    /// <summary>The rate of one iteration: the schedule's, times the warm-up's linear factor <c>min(1, (iteration + 1) / warm-up)</c>.</summary>
    /// <param name="options">The schedule.</param>
    /// <param name="iteration">0 … <paramref name="total"/> − 1.</param>
    /// <param name="total">All iterations of the run.</param>
    /// <param name="perEpoch">Iterations of an epoch.</param>
    public static double At(TrainingOptions options, int iteration, int total, int perEpoch)
    {
        double warmUp = options.WarmUpIterations == 0 ? 1 : Math.Min(1, (iteration + 1.0) / options.WarmUpIterations);
        double factor = options.Schedule switch
        {
            LearningRateSchedule.Cosine => options.FinalRateFraction + (1 - options.FinalRateFraction) * 0.5 * (1 + Math.Cos(Math.PI * iteration / total)),
            LearningRateSchedule.Step => Math.Pow(options.StepFactor, options.StepEpochs.Count(epoch => iteration / perEpoch >= epoch)),
            _ => 1,
        };
        return options.LearningRate * warmUp * factor;
    }
}
