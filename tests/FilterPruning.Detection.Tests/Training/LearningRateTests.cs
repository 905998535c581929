using FilterPruning.Detection.Training;

namespace FilterPruning.Detection.Tests.Training;

public class LearningRateTests
{
    [Fact]
    public void Cosine_with_warm_up_follows_its_closed_form()
    {
        var options = new TrainingOptions { LearningRate = 0.008, WarmUpIterations = 4, Schedule = LearningRateSchedule.Cosine, FinalRateFraction = 0.1 };

        Assert.Equal(0.008 / 4, LearningRate.At(options, 0, 100, 10), 1e-12);
        Assert.Equal(0.008 * (0.1 + 0.9 * 0.5), LearningRate.At(options, 50, 100, 10), 1e-12);
        Assert.Equal(0.008 * (0.1 + 0.9 * 0.5 * (1 - Math.Cos(Math.PI / 100))), LearningRate.At(options, 99, 100, 10), 1e-12);
    }

    [Fact]
    public void Steps_fall_at_the_start_of_their_epochs()
    {
        var options = new TrainingOptions { LearningRate = 1, Schedule = LearningRateSchedule.Step, StepEpochs = [2, 4], StepFactor = 0.1 };

        Assert.Equal([1, 1, 0.1, 0.1, 0.01], new[] { 0, 19, 20, 39, 40 }.Select(i => Math.Round(LearningRate.At(options, i, 50, 10), 12)));
    }
}
