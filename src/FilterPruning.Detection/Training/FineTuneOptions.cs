using System.Globalization;

namespace FilterPruning.Detection.Training;

/// <summary>
/// How a pruned detector is trained again: a share of its original training, at a lower learning rate, with a short warm-up and half a cosine, and if wanted by a teacher's outputs beside the labels
/// or instead of them. Plain data.
/// </summary>
public sealed record FineTuneOptions
{
    /// <summary>
    /// The original training, from which everything is taken that is not said here: batches, augmentation, decay, clipping, running average, seed, checkpoint. Default
    /// <see cref="TrainingOptions"/>'s defaults; usually the <see cref="TrainingRecipe.Training"/> that the dense model was trained by.
    /// </summary>
    public TrainingOptions Recipe { get; init; } = new();

    /// <summary>Iterations as a share of the original training's on the same data, above 0, at most 100. Default 0.25. At least one iteration is made.</summary>
    public double Budget { get; init; } = 0.25;

    /// <summary>The peak learning rate as a share of the original one, above 0, at most 10. Default 0.5: what is left of a cosine halfway through.</summary>
    public double LearningRateFactor { get; init; } = 0.5;

    /// <summary>Iterations over which the learning rate grows, as a share of all, 0 … 1. Default 0.05; never more than the original training's.</summary>
    public double WarmUpFraction { get; init; } = 0.05;

    /// <summary>Whether ground truth is used. Default true. Without it the student learns from its teacher alone, and images need no labels.</summary>
    public bool Labels { get; init; } = true;

    /// <summary>
    /// Whether live norms keep their running statistics and work with them, as they do when detecting, instead of each batch's own. Default false: as the model was trained. Their scale and shift are
    /// trained in any case. Of no effect on frozen norms.
    /// </summary>
    public bool FreezeStatistics { get; init; }

    /// <summary>
    /// Whether layers that require no gradient stay as they are, as in the original training. Default false: stages of the backbone that were frozen then have lost channels since, and their weights
    /// have to find their new places too. All parameters get their flags back afterwards.
    /// </summary>
    public bool KeepFrozen { get; init; }

    /// <summary>What is learned from the teacher, where there is one. Default <see cref="DistillationOptions"/>'s defaults.</summary>
    public DistillationOptions Distillation { get; init; } = new();

    /// <summary>The training that results: the recipe's with fewer iterations, another rate and another schedule.</summary>
    /// <param name="images">The number of images in the data set, at least 1.</param>
    /// <exception cref="ArgumentException">Something is out of range; lists everything that is.</exception>
    public TrainingOptions ToTraining(int images)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(images, 1);
        Validate();
        int perEpoch = images / Math.Min(Recipe.BatchSize, images);
        long whole = (long)Recipe.Epochs * perEpoch;
        if (Recipe.MaximumIterations > 0)
            whole = Math.Min(whole, Recipe.MaximumIterations);
        int iterations = (int)Math.Clamp(Math.Round(Budget * whole, MidpointRounding.AwayFromZero), 1, int.MaxValue);
        return Recipe with
        {
            Epochs = (iterations + perEpoch - 1) / perEpoch,
            MaximumIterations = iterations,
            LearningRate = Recipe.LearningRate * LearningRateFactor,
            WarmUpIterations = Math.Min(Recipe.WarmUpIterations, (int)Math.Ceiling(WarmUpFraction * iterations)),
            Schedule = LearningRateSchedule.Cosine,
            FinalRateFraction = 0,
        };
    }

    /// <summary>Checks every property, those of <see cref="Recipe"/> and <see cref="Distillation"/> included.</summary>
    /// <exception cref="ArgumentException">Something is out of range; the message lists everything that is.</exception>
    public void Validate()
    {
        var violations = new List<string>();
        Require(Budget is > 0 and <= 100, nameof(Budget), Budget, "above 0, at most 100 (0.25 is a quarter of the original training)");
        Require(LearningRateFactor is > 0 and <= 10, nameof(LearningRateFactor), LearningRateFactor, "above 0, at most 10");
        Require(WarmUpFraction is >= 0 and <= 1, nameof(WarmUpFraction), WarmUpFraction, "0 … 1");
        if (Recipe is null)
            violations.Add($"  {nameof(Recipe)} is null; give the training options of the dense model.");
        if (Distillation is null)
            violations.Add($"  {nameof(Distillation)} is null; leave it out for the defaults.");
        else
            violations.AddRange(Distillation.Violations());
        if (violations.Count > 0)
            throw new ArgumentException($"The options for fine-tuning are not valid:{Environment.NewLine}{string.Join(Environment.NewLine, violations)}");
        Recipe!.Validate();

        void Require(bool holds, string name, double value, string allowed)
        {
            if (!holds)
                violations.Add(string.Create(CultureInfo.InvariantCulture, $"  {name} is {value}; allowed: {allowed}."));
        }
    }
}
