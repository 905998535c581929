using FilterPruning.Detection.Data;
using FilterPruning.Detection.Models;
using FilterPruning.Detection.Training;

namespace FilterPruning.Detection.Tests.Training;

public class FineTunerTests
{
    private static readonly FineTuneOptions Options = new()
    {
        Recipe = new TrainingOptions { Epochs = 4, BatchSize = 2, LearningRate = 0.02, WarmUpIterations = 2, ClipGradientNorm = 5, ScaleJitterMin = 0.9, ScaleJitterMax = 1.1, AverageDecay = 0.9 },
    };

    [Fact]
    public void The_training_is_a_share_of_the_recipes()
    {
        var options = new FineTuneOptions { Recipe = TrainingRecipes.PennFudan.Training };
        var training = options.ToTraining(120); // 8 epochs of 60 batches

        Assert.Equal((120, 2, 0.004), (training.MaximumIterations, training.Epochs, training.LearningRate));
        Assert.Equal(6, training.WarmUpIterations);
        Assert.Equal(LearningRateSchedule.Cosine, training.Schedule);
        Assert.Equal(TrainingRecipes.PennFudan.Training.ClipGradientNorm, training.ClipGradientNorm);
        Assert.Equal(240, (options with { Budget = 0.5 }).ToTraining(120).MaximumIterations);
        Assert.Equal(1, (options with { Budget = 0.001 }).ToTraining(120).MaximumIterations);
        Assert.Equal(50, (options with { Budget = 0.5, Recipe = options.Recipe with { MaximumIterations = 100 } }).ToTraining(120).MaximumIterations);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_killed_run_continues_to_the_same_bits(bool labels)
    {
        using var folder = new ScratchFolder();
        var options = Options with { Budget = 0.25, Labels = labels };
        using var unbroken = new SmallPair();
        Tune(unbroken, options);

        options = options with { Recipe = options.Recipe with { CheckpointPath = folder.File("run.safetensors"), CheckpointInterval = 3, Resume = true } };
        using (var killed = new SmallPair())
        {
            var kill = new DirectProgress(p => { if (p.Iteration == 4) throw new InvalidOperationException("killed"); });
            Assert.Throws<InvalidOperationException>(() => Tune(killed, options, progress: kill));
        }

        // A student with other weights of the same widths: all that counts comes from the file.
        using var resumed = new SmallPair();
        using (no_grad())
        {
            foreach (var parameter in resumed.Student.parameters())
                parameter.mul_(0.5);
        }

        Assert.Equal(3, Tune(resumed, options).ResumedFrom);
        AssertSameBits(unbroken.Student, resumed.Student);

        // Neither another teacher nor other weights of the terms may take over.
        using var other = new SmallPair(seed: 8);
        Assert.Contains("the same teacher", Assert.Throws<PruningException>(() => Tune(resumed, options, new DistillationTeacher(other.Teacher, resumed.Plan))).Message);
        Assert.Contains("masks 2", Assert.Throws<PruningException>(() => Tune(resumed, options with { Distillation = new DistillationOptions { Masks = 2 } })).Message);
        Assert.Contains("a teacher (", Assert.Throws<PruningException>(() => Run(resumed.Student, options with { Labels = true }, null)).Message);
    }

    [Fact]
    public void Without_labels_what_is_in_the_targets_changes_nothing()
    {
        var options = Options with { Labels = false, Recipe = Options.Recipe with { ScaleJitterMin = 1, ScaleJitterMax = 1, FlipProbability = 0 } };
        using var labelled = new SmallPair();
        using var unlabelled = new SmallPair();
        var scenes = SmallPair.Scenes(12);
        Tune(labelled, options);
        using var tuner = new FineTuner(unlabelled.Student, new UnlabelledImages("scenes", 12, i => { using var sample = scenes.Load(i); return sample.Image.clone(); }), options, unlabelled.Known);
        tuner.Train();

        AssertSameBits(labelled.Student, unlabelled.Student);
    }

    [Fact]
    public void A_teacher_that_weighs_nothing_is_no_teacher()
    {
        using var plain = new SmallPair();
        using var taught = new SmallPair();
        Run(plain.Student, Options, null);
        var none = new DistillationOptions { Features = 0, Objectness = 0, RpnBoxes = 0, Classes = 0, Boxes = 0, Masks = 0 };
        Run(taught.Student, Options with { Distillation = none }, taught.Known);
        using var trained = new SmallPair();
        new DetectionTrainer(trained.Student, SmallPair.Scenes(12), Options.ToTraining(12)).Train();

        AssertSameBits(plain.Student, taught.Student);
        AssertSameBits(plain.Student, trained.Student);
    }

    [Fact]
    public void Distance_to_the_teacher_falls_without_labels_and_memory_stays_flat()
    {
        using var pair = new SmallPair(0.3);
        var before = Distance(pair);
        var options = Options with { Labels = false, Budget = 5, Recipe = Options.Recipe with { LearningRate = 0.05, ScaleJitterMin = 1, ScaleJitterMax = 1 } };
        Tune(pair, options with { Budget = 0.25 });
        var live = Bits.LiveTensors();
        var totals = new List<float>();
        var counts = new List<long>();
        Tune(pair, options, progress: new DirectProgress(p =>
        {
            totals.Add(p.Losses.Distillation);
            counts.Add(Tensor.TotalCount);
            Assert.Equal(p.Losses.Distillation, p.Losses.Total);
        }));

        Assert.Equal(live, Bits.LiveTensors());
        Assert.True(counts[^1] - counts[4] <= 4 * 3 * 2, string.Join(" ", counts));
        Assert.True(totals.TakeLast(6).Average() < 0.7 * totals.Take(6).Average(), string.Join(" ", totals));
        var after = Distance(pair);
        Assert.True(after < 0.6 * before, $"{before} → {after}");
    }

    [Fact]
    public void Statistics_stay_where_they_are_to_be_frozen()
    {
        var live = ModelTests.Small.Options with { Norm = BackboneNorm.Live, TrainableLayers = 5 };
        using var frozen = MaskRcnn.ResNet18Fpn(6, live);
        using var free = MaskRcnn.ResNet18Fpn(6, live);
        using var before = frozen.get_buffer("backbone.body.bn1.running_mean")!.clone();
        Run(frozen, Options with { FreezeStatistics = true }, null);
        Run(free, Options, null);

        Assert.True(Bits.Same(before, frozen.get_buffer("backbone.body.bn1.running_mean")!));
        Assert.False(Bits.Same(before, free.get_buffer("backbone.body.bn1.running_mean")!));
        Assert.All(frozen.modules(), module => Assert.True(module.training));
        Assert.False(Bits.Same(free.get_parameter("backbone.body.bn1.weight")!, frozen.get_parameter("backbone.body.bn1.weight")!));
    }

    [Fact]
    public void Stages_that_were_frozen_are_trained_unless_they_are_to_stay()
    {
        // The stem and the first two stages require no gradient.
        var options = ModelTests.Small.Options with { TrainableLayers = 2 };
        using var moved = MaskRcnn.ResNet18Fpn(6, options);
        using var kept = MaskRcnn.ResNet18Fpn(6, options);
        using var before = moved.get_parameter("backbone.body.conv1.weight")!.detach().clone();
        bool[] flags = [.. moved.parameters().Select(p => p.requires_grad)];
        var tuning = Options with { Recipe = Options.Recipe with { AverageDecay = 0 } };
        Run(moved, tuning, null);
        Run(kept, tuning with { KeepFrozen = true }, null);

        Assert.False(Bits.Same(before, moved.get_parameter("backbone.body.conv1.weight")!));
        Assert.True(Bits.Same(before, kept.get_parameter("backbone.body.conv1.weight")!));
        Assert.False(Bits.Same(kept.get_parameter("backbone.body.layer4.0.conv1.weight")!, moved.get_parameter("backbone.body.layer4.0.conv1.weight")!));
        Assert.Equal(flags, moved.parameters().Select(p => p.requires_grad));
        Assert.Contains(false, flags);
        Assert.All(moved.parameters(), p => Assert.Null(p.grad));
    }

    [Fact]
    public void A_run_can_be_cancelled_and_one_that_diverges_says_so()
    {
        using var folder = new ScratchFolder();
        using var pair = new SmallPair();
        using var source = new CancellationTokenSource();
        var options = Options with { Recipe = Options.Recipe with { CheckpointPath = folder.File("run.safetensors") } };
        using var tuner = new FineTuner(pair.Student, SmallPair.Scenes(12), options, pair.Known);
        Assert.Throws<OperationCanceledException>(() => tuner.Train(new DirectProgress(p => { if (p.Iteration == 2) source.Cancel(); }), cancellation: source.Token));
        Assert.True(File.Exists(folder.File("run.safetensors")));

        using (no_grad())
            pair.Student.get_parameter("rpn.head.cls_logits.bias")!.fill_(float.NaN);
        Assert.Throws<TrainingDivergedException>(() => Run(pair.Student, Options with { Labels = false, Distillation = new DistillationOptions { Proposals = DistillationProposals.Teacher } }, pair.Known));
    }

    [Fact]
    public void Options_that_make_no_sense_are_refused()
    {
        using var pair = new SmallPair();
        var scenes = SmallPair.Scenes(4);
        var options = new FineTuneOptions { Budget = 0, LearningRateFactor = double.NaN, WarmUpFraction = 2, Distillation = new DistillationOptions { Boxes = double.PositiveInfinity } };
        var message = Assert.Throws<ArgumentException>(() => new FineTuner(pair.Student, scenes, options, pair.Known)).Message;
        Assert.All(["Budget is 0", "LearningRateFactor is NaN", "WarmUpFraction is 2", "Boxes is"], part => Assert.Contains(part, message, StringComparison.Ordinal));

        Assert.Contains("nothing to learn from", Assert.Throws<ArgumentException>(() => new FineTuner(pair.Student, scenes, new FineTuneOptions { Labels = false })).Message);
        Assert.Contains("Epochs is 0", Assert.Throws<ArgumentException>(() => new FineTuner(pair.Student, scenes, new FineTuneOptions { Recipe = new TrainingOptions { Epochs = 0 } })).Message);
        Assert.Contains("no images", Assert.Throws<ArgumentException>(() => new FineTuner(pair.Student, SmallPair.Scenes(4).Take(0))).Message);
        using var two = MaskRcnn.ResNet18Fpn(2, pair.Options);
        Assert.Contains("5 classes", Assert.Throws<ArgumentException>(() => new FineTuner(two, scenes)).Message);
    }

    private static double Distance(SmallPair pair)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using var distiller = new Distiller(pair.Student, pair.Known);
        using var generator = new Generator(77);
        var scenes = SmallPair.Scenes(8, seed: 999);
        var samples = Enumerable.Range(0, 8).Select(scenes.Load).ToArray();
        var total = distiller.Losses([.. samples.Select(s => s.Image)], generator).Total(new DistillationOptions()).item<float>();
        foreach (var sample in samples)
            sample.Dispose();
        return total;
    }

    private static TrainingResult Tune(SmallPair pair, FineTuneOptions options, DistillationTeacher? teacher = null, IProgress<TrainingProgress>? progress = null) =>
        Run(pair.Student, options, teacher ?? pair.Known, progress);

    private static TrainingResult Run(MaskRcnnModel student, FineTuneOptions options, DistillationTeacher? teacher, IProgress<TrainingProgress>? progress = null)
    {
        using var tuner = new FineTuner(student, SmallPair.Scenes(12), options, teacher);
        return tuner.Train(progress);
    }

    private static void AssertSameBits(nn.Module expected, nn.Module actual)
    {
        using var scope = NewDisposeScope();
        var values = actual.state_dict();
        Assert.All(expected.state_dict(), pair => Assert.True(Bits.Same(pair.Value, values[pair.Key]), pair.Key));
    }
}
