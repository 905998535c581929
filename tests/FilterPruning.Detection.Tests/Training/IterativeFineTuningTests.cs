using FilterPruning.Detection.Models;
using FilterPruning.Detection.Training;
using FilterPruning.Planning;
using FilterPruning.Schedules;
using FilterPruning.Storage;

namespace FilterPruning.Detection.Tests.Training;

/// <summary>Pruning in steps with fine-tuning between them: momenta go through each cut with their parameters.</summary>
public class IterativeFineTuningTests
{
    private static readonly FineTuneOptions Options = new()
    {
        Budget = 1,
        Recipe = new TrainingOptions { Epochs = 1, BatchSize = 2, LearningRate = 0.01, ClipGradientNorm = 5 },
    };

    [Fact]
    public void Momenta_are_cut_with_their_parameters_and_used_by_the_next_training()
    {
        using var folder = new ScratchFolder();
        using var pair = new SmallPair(ratio: 0);
        using var momentum = new TrainingMomentum(pair.Student);
        using var image = ModelTests.ParityFormula.Image(0, 60, 80);
        var ends = new List<Dictionary<string, Tensor>>();
        PruningPlan? soFar = null;
        var result = IterativePruner.Run(pair.Student, m => m.Detect([image]), new IterativeOptions
        {
            Pruning = new PruningOptions { Ratio = 0.4, Optimizers = [momentum] },
            Steps = 2,
            Shape = ScheduleShape.Linear,
        }, step =>
        {
            using var scope = NewDisposeScope();
            if (ends.Count > 0)
                AssertCut(ends[^1], momentum, pair.Student, step.StepPlan);
            soFar = step.Plan;
            using var tuner = new FineTuner(pair.Student, SmallPair.Scenes(4), Options, new DistillationTeacher(pair.Teacher, step.Plan)) { Momentum = momentum };
            tuner.Train();
            ends.Add(pair.Student.named_parameters().ToDictionary(p => p.name, p => momentum.Of(p.name, p.parameter).clone().DetachFromDisposeScope()));
            Assert.Contains(ends[^1].Values, value => value.abs().max().item<float>() > 0);
        });

        Assert.Equal(IterativeEnd.Completed, result.End);
        Assert.Equal(soFar!.ToJson(), result.Plan.ToJson());
        PrunedModel.Save(pair.Student, result.Plan, folder.File("tuned.safetensors"));
        using var fresh = MaskRcnn.ResNet18Fpn(6, pair.Options with { Seed = 77 });
        PrunedModel.Load(fresh, folder.File("tuned.safetensors"));
        using var all = NewDisposeScope();
        var values = fresh.state_dict();
        Assert.All(pair.Student.state_dict(), e => Assert.True(Bits.Same(e.Value, values[e.Key]), e.Key));
        foreach (var value in ends.SelectMany(end => end.Values))
            value.Dispose();
    }

    [Fact]
    public void A_training_that_is_given_momenta_goes_on_along_them()
    {
        // One iteration each, twice; both models see and draw the same. The second step of the one goes 0.9 of its first momentum's way beside that of the other.
        using var model = new TinyModel(1);
        using var twin = new TinyModel(1);
        var options = new TrainingOptions { Epochs = 1, BatchSize = 1, LearningRate = 0.01, Schedule = LearningRateSchedule.Constant, FlipProbability = 0 };
        using var momentum = new TrainingMomentum(model);
        new DetectionTrainer(model, model.Losses, new TinyData(1), options) { Momentum = momentum }.Train();
        new DetectionTrainer(twin, twin.Losses, new TinyData(1), options).Train();
        using var scope = NewDisposeScope();
        var first = momentum.Of("fc.weight", Weight(model)).clone();
        Assert.True(Bits.Same(Weight(model), Weight(twin)));
        new DetectionTrainer(model, model.Losses, new TinyData(1), options) { Momentum = momentum }.Train();
        new DetectionTrainer(twin, twin.Losses, new TinyData(1), options).Train();

        Assert.True(first.abs().max().item<float>() > 1e-3);
        Assert.InRange((Weight(twin) - (first * 0.009) - Weight(model)).abs().max().item<float>(), 0, 1e-7f);
        static TorchSharp.Modules.Parameter Weight(TinyModel m) => m.get_parameter("fc.weight")!;
    }

    [Fact]
    public void Momenta_that_do_not_belong_are_refused()
    {
        using var pair = new SmallPair(ratio: 0);
        using var other = new TrainingMomentum(pair.Teacher);
        using var forgotten = new TrainingMomentum(pair.Student);
        FineTuner Tuner(TrainingMomentum momentum) => new(pair.Student, SmallPair.Scenes(4), Options) { Momentum = momentum };
        using (var tuner = Tuner(other))
            Assert.Contains("not of this model", Assert.Throws<ArgumentException>(() => tuner.Train()).Message);
        SmallPair.Cut(pair.Student, 0.3);
        using (var tuner = Tuner(forgotten))
            Assert.Contains("cut without its momenta", Assert.Throws<ArgumentException>(() => tuner.Train()).Message);
        Assert.Throws<NotSupportedException>(() => forgotten.step());
    }

    // Of two axes the first are outputs and the second inputs, for every layer but the transposed convolution and fc6, whose inputs are channels times places.
    private static void AssertCut(Dictionary<string, Tensor> before, TrainingMomentum momentum, MaskRcnnModel model, PruningPlan plan)
    {
        var compared = 0;
        foreach (var (name, parameter) in model.named_parameters().Where(p => p.name.EndsWith(".weight") && p.parameter.dim() >= 2))
        {
            var layer = plan.Find(name[..^".weight".Length])!;
            if (layer.Kind == "ConvTranspose2d" || name.Contains("fc6"))
                continue;
            var wanted = before[name];
            wanted = wanted.index_select(0, Kept(layer.OutputChannels, layer.RemovedOutputs)).index_select(1, Kept(layer.InputChannels, layer.RemovedInputs));
            Assert.True(Bits.Same(wanted, momentum.Of(name, parameter)), name);
            compared += layer.RemovedOutputs.Count > 0 ? 1 : 0;
        }

        Assert.True(compared > 20);
        static Tensor Kept(int channels, IReadOnlyList<int> removed) => tensor(Enumerable.Range(0, channels).Except(removed).Select(c => (long)c).ToArray());
    }
}
