using System.Globalization;

namespace FilterPruning.Detection.Training;

/// <summary>How the learning rate falls after the warm-up.</summary>
public enum LearningRateSchedule
{
    /// <summary>Half a cosine from the full rate to <see cref="TrainingOptions.FinalRateFraction"/> of it.</summary>
    Cosine,

    /// <summary>Multiplied by <see cref="TrainingOptions.StepFactor"/> at the start of each of <see cref="TrainingOptions.StepEpochs"/>.</summary>
    Step,

    /// <summary>Stays at the full rate.</summary>
    Constant,
}

/// <summary>
/// How a detector is trained: stochastic gradient descent, its schedule, the augmentation, and where its state is kept. Plain data; two equal records on the same data and the same initial
/// weights give the same weights, bit for bit, on the same machine with the same number of threads.
/// </summary>
public sealed record TrainingOptions
{
    /// <summary>How often every image is seen, at least 1. Default 10.</summary>
    public int Epochs { get; init; } = 10;

    /// <summary>Images per iteration, at least 1. Default 2. An epoch drops the images left over by full batches; the next one shuffles anew.</summary>
    public int BatchSize { get; init; } = 2;

    /// <summary>Stop after this many iterations in all; 0 (default) runs all epochs. The schedule ends there as well.</summary>
    public int MaximumIterations { get; init; }

    /// <summary>The learning rate after the warm-up, above 0. Default 0.005.</summary>
    public double LearningRate { get; init; } = 0.005;

    /// <summary>Momentum, 0 … below 1. Default 0.9.</summary>
    public double Momentum { get; init; } = 0.9;

    /// <summary>Nesterov's variant of momentum. Default off; needs a momentum above 0.</summary>
    public bool Nesterov { get; init; }

    /// <summary>Weight decay, at least 0. Default 5e-4.</summary>
    public double WeightDecay { get; init; } = 5e-4;

    /// <summary>Whether parameters of one dimension (biases, and scale and shift of norms) decay too. Default true, as torchvision's reference training does.</summary>
    public bool DecayBiasesAndNorms { get; init; } = true;

    /// <summary>The rate grows linearly over this many first iterations; 0 (default) starts at full rate.</summary>
    public int WarmUpIterations { get; init; }

    /// <summary>How the rate falls. Default <see cref="LearningRateSchedule.Cosine"/>.</summary>
    public LearningRateSchedule Schedule { get; init; } = LearningRateSchedule.Cosine;

    /// <summary>The cosine's last rate as a fraction of the full one, 0 … 1. Default 0. Ignored by other schedules.</summary>
    public double FinalRateFraction { get; init; }

    /// <summary>The epochs (counted from 0) at whose start the rate is multiplied by <see cref="StepFactor"/>; ascending. Ignored by other schedules than <see cref="LearningRateSchedule.Step"/>.</summary>
    public IReadOnlyList<int> StepEpochs { get; init; } = [];

    /// <summary>The factor of a step, above 0 and at most 1. Default 0.1.</summary>
    public double StepFactor { get; init; } = 0.1;

    /// <summary>Gradients are scaled down to this Euclidean norm over all parameters; 0 (default) leaves them.</summary>
    public double ClipGradientNorm { get; init; }

    /// <summary>How likely an image is mirrored left to right, 0 … 1. Default 0.5.</summary>
    public double FlipProbability { get; init; } = 0.5;

    /// <summary>The smallest factor by which an image is resized, 0.1 … 10. Default 1.</summary>
    public double ScaleJitterMin { get; init; } = 1;

    /// <summary>The largest factor by which an image is resized, at least <see cref="ScaleJitterMin"/>, at most 10. Default 1.</summary>
    public double ScaleJitterMax { get; init; } = 1;

    /// <summary>The seed of order, augmentation and sampling. Default 0.</summary>
    public int Seed { get; init; }

    /// <summary>
    /// Parameters that stay as they are: name patterns with <c>*</c> for any run of characters, such as <c>backbone.body.layer1.*</c>. Default none. Parameters that do not require a gradient
    /// when training starts stay as they are in any case. A pattern that matches nothing is an error.
    /// </summary>
    public IReadOnlyList<string> Frozen { get; init; } = [];

    /// <summary>
    /// The decay of a running average of weights and buffers, 0 … below 1; 0 (default) keeps none. The average starts fast (decay at most (1 + t) / (10 + t) at iteration t). Where it is kept,
    /// evaluations see it, and the model holds it when the training is done.
    /// </summary>
    public double AverageDecay { get; init; }

    /// <summary>The file that keeps the training's whole state; null (default) keeps none.</summary>
    public string? CheckpointPath { get; init; }

    /// <summary>Iterations between two checkpoints, at least 1. Default 500. One more is written at the end, and when a run is cancelled.</summary>
    public int CheckpointInterval { get; init; } = 500;

    /// <summary>Continue from <see cref="CheckpointPath"/> where it exists; otherwise start. Default false: an existing file is replaced.</summary>
    public bool Resume { get; init; }

    /// <summary>Iterations between two calls of the evaluation callback; 0 (default) calls it at the end only.</summary>
    public int EvaluationInterval { get; init; }

    /// <summary>Batches prepared ahead on the background thread, 1 … 64. Default 3. Changes no result.</summary>
    public int PrefetchBatches { get; init; } = 3;

    /// <summary>Checks every property.</summary>
    /// <exception cref="ArgumentException">Something is out of range; the message lists everything that is.</exception>
    public void Validate()
    {
        var violations = new List<string>();
        Require(Epochs >= 1, nameof(Epochs), Epochs, "1 or more");
        Require(BatchSize >= 1, nameof(BatchSize), BatchSize, "1 or more");
        Require(MaximumIterations >= 0, nameof(MaximumIterations), MaximumIterations, "0 (no limit) or more");
        Require(double.IsFinite(LearningRate) && LearningRate > 0, nameof(LearningRate), LearningRate, "above 0");
        Require(Momentum is >= 0 and < 1, nameof(Momentum), Momentum, "0 … below 1");
        Require(!Nesterov || Momentum > 0, nameof(Nesterov), Nesterov, "false where Momentum is 0");
        Require(double.IsFinite(WeightDecay) && WeightDecay >= 0, nameof(WeightDecay), WeightDecay, "0 or more");
        Require(WarmUpIterations >= 0, nameof(WarmUpIterations), WarmUpIterations, "0 or more");
        Require(Enum.IsDefined(Schedule), nameof(Schedule), (int)Schedule, "one of " + string.Join(", ", Enum.GetNames<LearningRateSchedule>()));
        Require(FinalRateFraction is >= 0 and <= 1, nameof(FinalRateFraction), FinalRateFraction, "0 … 1");
        Require(StepFactor is > 0 and <= 1, nameof(StepFactor), StepFactor, "above 0, at most 1");
        Require(StepEpochs.All(e => e >= 1) && StepEpochs.Zip(StepEpochs.Skip(1), (a, b) => a < b).All(ascends => ascends),
            nameof(StepEpochs), $"[{string.Join(", ", StepEpochs)}]", "ascending, each 1 or more");
        Require(double.IsFinite(ClipGradientNorm) && ClipGradientNorm >= 0, nameof(ClipGradientNorm), ClipGradientNorm, "0 (no clipping) or more");
        Require(FlipProbability is >= 0 and <= 1, nameof(FlipProbability), FlipProbability, "0 … 1");
        Require(ScaleJitterMin is >= 0.1 and <= 10, nameof(ScaleJitterMin), ScaleJitterMin, "0.1 … 10");
        Require(ScaleJitterMax >= ScaleJitterMin && ScaleJitterMax <= 10, nameof(ScaleJitterMax), ScaleJitterMax, "ScaleJitterMin … 10");
        Require(Frozen.All(p => !string.IsNullOrWhiteSpace(p)), nameof(Frozen), $"[{string.Join(", ", Frozen)}]", "patterns that are not empty");
        Require(AverageDecay is >= 0 and < 1, nameof(AverageDecay), AverageDecay, "0 (no average) … below 1");
        Require(CheckpointPath is not "", nameof(CheckpointPath), "\"\"", "null or a path");
        Require(CheckpointInterval >= 1, nameof(CheckpointInterval), CheckpointInterval, "1 or more");
        Require(!Resume || CheckpointPath is not null, nameof(Resume), Resume, "false where CheckpointPath is null");
        Require(EvaluationInterval >= 0, nameof(EvaluationInterval), EvaluationInterval, "0 (at the end only) or more");
        Require(PrefetchBatches is >= 1 and <= 64, nameof(PrefetchBatches), PrefetchBatches, "1 … 64");
        if (violations.Count > 0)
            throw new ArgumentException($"The training options are not valid:{Environment.NewLine}{string.Join(Environment.NewLine, violations)}");

        void Require(bool holds, string name, object value, string allowed)
        {
            if (!holds)
                violations.Add(string.Create(CultureInfo.InvariantCulture, $"  {name} is {value}; allowed: {allowed}."));
        }
    }
}
