using FilterPruning.Detection.Data;
using FilterPruning.Detection.Models;
using FilterPruning.Detection.Training;

namespace FilterPruning.Detection.Tests.Training;

/// <summary>The trainer with the real thing: samplers, live norms, scenes.</summary>
public class MaskRcnnTrainingTests
{
    private static readonly MaskRcnnOptions Model = TrainingRecipes.ShapeScenes.Model with
    {
        MinSize = 64,
        MaxSize = 128,
        BackboneWidth = 8,
        FpnChannels = 16,
        RepresentationSize = 32,
        MaskChannels = 8,
        MaskReducedChannels = 8,
        BoxBatchSizePerImage = 16,
    };

    private static readonly TrainingOptions Options = TrainingRecipes.ShapeScenes.Training with { BatchSize = 2, WarmUpIterations = 2, FlipProbability = 0.5, ScaleJitterMin = 0.8, ScaleJitterMax = 1.2 };

    [Fact]
    public void A_killed_run_continues_to_the_same_bits()
    {
        using var folder = new ScratchFolder();
        using var unbroken = Create(0);
        Trainer(unbroken, Options).Train();

        var options = Options with { CheckpointPath = folder.File("run.safetensors"), CheckpointInterval = 3, Resume = true };
        using (var killed = Create(0))
        {
            var kill = new DirectProgress(p => { if (p.Iteration == 4) throw new InvalidOperationException("killed"); });
            Assert.Throws<InvalidOperationException>(() => Trainer(killed, options).Train(kill));
        }

        // Other initial weights and another state of the model's own sampler: all that counts comes from the file.
        using var resumed = Create(7);
        Assert.Equal(3, Trainer(resumed, options).Train().ResumedFrom);

        using var scope = NewDisposeScope();
        var values = resumed.state_dict();
        Assert.All(unbroken.state_dict(), pair => Assert.True(Bits.Same(pair.Value, values[pair.Key]), pair.Key));
    }

    [Fact]
    public void Memory_stays_flat_and_the_loss_falls()
    {
        using var model = Create(0);
        Trainer(model, Options).Train();
        long before = Bits.LiveTensors();
        var totals = new List<float>();
        new DetectionTrainer(model, Scenes(4), Options with { Epochs = 20, ScaleJitterMin = 1, ScaleJitterMax = 1, FlipProbability = 0, LearningRate = 0.02 }).Train(new DirectProgress(p => totals.Add(p.Losses.Total)));

        Assert.Equal(before, Bits.LiveTensors());
        Assert.True(totals.TakeLast(6).Average() < 0.8 * totals.Take(6).Average(), string.Join(" ", totals));
    }

    private static MaskRcnnModel Create(long seed) => MaskRcnn.ResNet18Fpn(6, Model with { Seed = seed });

    private static DetectionTrainer Trainer(MaskRcnnModel model, TrainingOptions options) => new(model, Scenes(12), options);

    private static ShapeScenes Scenes(int count) => ShapeScenes.Create(count, 3, new ShapeScenesOptions { Width = 64, Height = 64, MaxObjects = 3 });
}
