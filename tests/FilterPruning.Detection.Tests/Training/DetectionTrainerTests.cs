using FilterPruning.Detection.Models;
using FilterPruning.Detection.Training;
using FilterPruning.Storage;

namespace FilterPruning.Detection.Tests.Training;

using Models = FilterPruning.Detection.Models;

public class DetectionTrainerTests
{
    private static readonly TrainingOptions Options = new()
    {
        Epochs = 2,
        BatchSize = 2,
        LearningRate = 0.05,
        WarmUpIterations = 2,
        ClipGradientNorm = 1,
        AverageDecay = 0.9,
        Seed = 5,
        CheckpointInterval = 3,
        ScaleJitterMin = 0.8,
        ScaleJitterMax = 1.2,
    };

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_killed_run_continues_to_the_same_bits(int threads)
    {
        int before = get_num_threads();
        set_num_threads(threads);
        try
        {
            using var folder = new ScratchFolder();
            using var unbroken = new TinyModel(1);
            Trainer(unbroken, Options).Train();

            // The kill comes in the fourth iteration: what happened after the checkpoint of the third is lost.
            using var killed = new TinyModel(1);
            var options = Options with { CheckpointPath = folder.File("run.safetensors"), Resume = true };
            var kill = new DirectProgress(p => { if (p.Iteration == 4) throw new InvalidOperationException("killed"); });
            Assert.Throws<InvalidOperationException>(() => Trainer(killed, options).Train(kill));

            // Another seed: every weight must come from the file. Which calls take the model's second layer in is no state of the training; it is set to the third call by hand.
            using var resumed = new TinyModel(99);
            AlignCalls(resumed, 3);
            var result = Trainer(resumed, options).Train();

            Assert.Equal(3, result.ResumedFrom);
            AssertSameBits(unbroken, resumed);
        }
        finally
        {
            set_num_threads(before);
        }
    }

    [Fact]
    public void A_cancelled_run_leaves_a_checkpoint_and_continues_to_the_same_bits()
    {
        using var folder = new ScratchFolder();
        using var unbroken = new TinyModel(1);
        Trainer(unbroken, Options).Train();

        var options = Options with { CheckpointPath = folder.File("run.safetensors"), CheckpointInterval = 1000, Resume = true };
        using var cancelled = new TinyModel(1);
        using var source = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() => Trainer(cancelled, options).Train(new DirectProgress(p => { if (p.Iteration == 4) source.Cancel(); }), cancellation: source.Token));
        Assert.Equal(["run.safetensors"], Directory.GetFiles(Path.GetDirectoryName(options.CheckpointPath)!).Select(Path.GetFileName));

        using var resumed = new TinyModel(2);
        Assert.Equal(4, Trainer(resumed, options).Train().ResumedFrom);
        AssertSameBits(unbroken, resumed);
    }

    [Fact]
    public void A_finished_run_resumes_to_its_result_without_training()
    {
        using var folder = new ScratchFolder();
        var options = Options with { CheckpointPath = folder.File("run.safetensors"), Resume = true };
        using var first = new TinyModel(1);
        Trainer(first, options).Train();
        using var second = new TinyModel(2);
        var result = Trainer(second, options).Train();

        Assert.Null(result.RecentLosses);
        Assert.Equal(0, second.Calls);
        AssertSameBits(first, second);
        using var third = new TinyModel(3);
        Assert.Equal(6, TrainingCheckpoint.LoadWeights(third, options.CheckpointPath!));
        AssertSameBits(first, third);
    }

    [Fact]
    public void Exported_weights_are_the_averages_under_their_plain_names()
    {
        using var folder = new ScratchFolder();
        var options = Options with { CheckpointPath = folder.File("run.safetensors") };
        using var model = new TinyModel(1);
        Trainer(model, options).Train();
        TrainingCheckpoint.ExportWeights(options.CheckpointPath!, folder.File("full.safetensors"), metadata: new Dictionary<string, string> { ["recipe"] = "tiny" });
        TrainingCheckpoint.ExportWeights(options.CheckpointPath!, folder.File("half.safetensors"), halfPrecision: true);

        using var other = new TinyModel(2);
        StateDictLoader.Load(other, folder.File("full.safetensors"));
        AssertSameBits(model, other);
        using var full = SafetensorsFile.Open(folder.File("full.safetensors"));
        Assert.Equal(("tiny", "6"), (full.Metadata["recipe"], full.Metadata["iteration"]));
        using var half = SafetensorsFile.Open(folder.File("half.safetensors"));
        Assert.Equal(full.Names, half.Names);
        Assert.Equal((ScalarType.Float16, ScalarType.Float32), (half.Describe("conv1.weight").DType, half.Describe("bn1.running_mean").DType));
        Assert.Contains("not a training checkpoint", Assert.Throws<PruningException>(() => TrainingCheckpoint.LoadWeights(other, folder.File("full.safetensors"))).Message);
    }

    [Fact]
    public void The_loss_falls()
    {
        using var model = new TinyModel(1);
        var totals = new List<float>();
        Trainer(model, Options with { Epochs = 30, ScaleJitterMin = 1, ScaleJitterMax = 1, FlipProbability = 0 }).Train(new DirectProgress(p => totals.Add(p.Losses.Total)));

        Assert.Equal(90, totals.Count);
        Assert.True(totals.TakeLast(20).Average() < 0.5 * totals.Take(5).Average(), $"{totals.Take(5).Average()} → {totals.TakeLast(20).Average()}");
    }

    [Fact]
    public void A_diverged_run_names_the_iteration_and_keeps_the_last_good_checkpoint()
    {
        using var folder = new ScratchFolder();
        var options = Options with { CheckpointPath = folder.File("run.safetensors"), CheckpointInterval = 2 };
        using var model = new TinyModel(1);
        byte[]? good = null;
        var progress = new DirectProgress(p =>
        {
            if (p.Iteration != 3)
                return;
            good = File.ReadAllBytes(options.CheckpointPath!);
            model.Poison = double.NaN;
        });
        var error = Assert.Throws<TrainingDivergedException>(() => Trainer(model, options).Train(progress));

        Assert.Equal(4, error.Iteration);
        Assert.Contains("iteration 4 of 6", error.Message);
        Assert.Contains(options.CheckpointPath!, error.Message);
        Assert.Equal(good, File.ReadAllBytes(options.CheckpointPath!));
        Assert.All(model.parameters(), p => Assert.True(p.isfinite().all().item<bool>()));
    }

    [Fact]
    public void Training_leaves_no_tensor_behind_and_puts_everything_back()
    {
        using var folder = new ScratchFolder();
        using var model = new TinyModel(1);
        model.eval();
        var options = Options with { CheckpointPath = folder.File("run.safetensors"), Frozen = ["conv1.*"] };
        using var randomBefore = random.get_rng_state();
        Trainer(model, options).Train();
        long before = Bits.LiveTensors();
        var counts = new List<long>();
        Trainer(model, options with { Epochs = 6 }).Train(new DirectProgress(p => counts.Add(Tensor.TotalCount)));

        Assert.Equal(before, Bits.LiveTensors());
        // The queue may hold a few batches more or less; what an iteration makes must not pile up.
        Assert.True(counts[^1] - counts[4] <= 4 * options.PrefetchBatches * options.BatchSize, string.Join(" ", counts));
        Assert.False(model.training);
        Assert.All(model.parameters(), p => Assert.True(p.requires_grad && p.grad is null));
        using var randomAfter = random.get_rng_state();
        Assert.True(Bits.Same(randomBefore, randomAfter));
    }

    [Fact]
    public void Frozen_parameters_stay()
    {
        using var model = new TinyModel(1);
        using var before = model.get_parameter("conv1.weight")!.detach().clone();
        using var other = model.get_parameter("conv2.weight")!.detach().clone();
        Trainer(model, Options with { Frozen = ["conv1.*", "bn*.bias"] }).Train();

        Assert.True(Bits.Same(before, model.get_parameter("conv1.weight")!));
        Assert.False(Bits.Same(other, model.get_parameter("conv2.weight")!));
        Assert.Equal(0, model.get_parameter("bn1.bias")!.abs().max().item<float>());
        Assert.Contains("conv9", Assert.Throws<ArgumentException>(() => Trainer(model, Options with { Frozen = ["conv9.*"] }).Train()).Message);
        Assert.Throws<ArgumentException>(() => Trainer(model, Options with { Frozen = ["*"] }).Train());
    }

    [Fact]
    public void Evaluation_sees_the_average_in_evaluation_mode_and_training_goes_on_without_it()
    {
        using var plain = new TinyModel(1);
        Trainer(plain, Options).Train();

        using var evaluated = new TinyModel(1);
        var seen = new List<int>();
        Tensor? last = null;
        Trainer(evaluated, Options with { EvaluationInterval = 2 }).Train(evaluate: p =>
        {
            Assert.False(evaluated.training);
            seen.Add(p.Iteration);
            last?.Dispose();
            last = evaluated.get_parameter("fc.weight")!.detach().clone().DetachFromDisposeScope();
        });

        Assert.Equal([2, 4, 6], seen);
        AssertSameBits(plain, evaluated);
        Assert.True(Bits.Same(last!, evaluated.get_parameter("fc.weight")!));
        last!.Dispose();
    }

    [Fact]
    public void Another_run_cannot_be_resumed_by_mistake()
    {
        using var folder = new ScratchFolder();
        var options = Options with { CheckpointPath = folder.File("run.safetensors"), Resume = true, MaximumIterations = 2 };
        using var model = new TinyModel(1);
        Trainer(model, options).Train();

        Assert.Contains("LearningRate was 0.05 and is 0.04", Assert.Throws<PruningException>(() => Trainer(model, options with { LearningRate = 0.04 }).Train()).Message);
        Assert.Contains("tiny: 7 images", Assert.Throws<PruningException>(() => new DetectionTrainer(model, model.Losses, new TinyData(7), options).Train()).Message);
        using var other = new TinyModelWithLessState();
        Assert.Contains("does not fit", Assert.Throws<PruningException>(() => new DetectionTrainer(other, other.Losses, new TinyData(6), options).Train()).Message);
        // What changes no result may change.
        Trainer(model, options with { CheckpointInterval = 7, PrefetchBatches = 1 }).Train();
    }

    [Fact]
    public void A_sample_that_cannot_be_loaded_is_named()
    {
        using var model = new TinyModel(1);
        var trainer = new DetectionTrainer(model, model.Losses, new TinyData(6) { Broken = 4 }, Options);
        var error = Assert.Throws<PruningException>(() => trainer.Train());

        Assert.Contains("Sample 4 of 'tiny'", error.Message);
        Assert.Contains("no such picture", error.Message);
    }

    [Fact]
    public void All_violations_come_at_once()
    {
        var options = new TrainingOptions { Epochs = 0, LearningRate = double.NaN, Momentum = 1, StepEpochs = [3, 2], ScaleJitterMin = 2, ScaleJitterMax = 1, Resume = true };
        var message = Assert.Throws<ArgumentException>(options.Validate).Message;

        Assert.All(["Epochs is 0", "LearningRate is NaN", "Momentum is 1", "StepEpochs is [3, 2]", "ScaleJitterMax is 1", "Resume is True"], expected => Assert.Contains(expected, message));
        Assert.DoesNotContain("BatchSize", message);
    }

    private static DetectionTrainer Trainer(TinyModel model, TrainingOptions options) => new(model, model.Losses, new TinyData(6), options);

    private static void AlignCalls(TinyModel model, int calls)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator();
        for (int i = 0; i < calls; i++)
        {
            using var sample = new TinyData(6).Load(0);
            using var losses = model.Losses([sample.Image, sample.Image], [sample.Target, sample.Target], generator);
        }
    }

    private static void AssertSameBits(nn.Module expected, nn.Module actual)
    {
        using var scope = NewDisposeScope();
        var values = actual.state_dict();
        Assert.NotEmpty(values);
        foreach (var (name, tensor) in expected.state_dict())
            Assert.True(Bits.Same(tensor, values[name]), name);
    }

    /// <summary>As the tiny model, but with a layer whose shape differs.</summary>
    private sealed class TinyModelWithLessState : nn.Module
    {
        private readonly TinyModel _inner = new(1);
        private readonly TorchSharp.Modules.Linear fc = nn.Linear(8, 4);

        public TinyModelWithLessState()
            : base(nameof(TinyModelWithLessState)) => RegisterComponents();

        public LossDict Losses(IReadOnlyList<Tensor> images, IReadOnlyList<Target> targets, Generator generator)
        {
            _ = fc;
            return _inner.Losses(images, targets, generator);
        }
    }
}
