using FilterPruning.Detection.Training;
using TorchSharp.Modules;

namespace FilterPruning.Detection.Tests.Training;

public class SgdOptimizerTests
{
    [Theory]
    [InlineData(0, 0, false)]
    [InlineData(0.9, 0, false)]
    [InlineData(0.9, 0.01, false)]
    [InlineData(0.9, 0.01, true)]
    public void Steps_equal_those_of_torch(double momentum, double decay, bool nesterov)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(3);
        var start = randn([4, 3], generator: generator);
        Parameter ours = new(start.clone()), theirs = new(start.clone());
        using var optimizer = new SgdOptimizer([("w", ours)], new TrainingOptions { Momentum = momentum, WeightDecay = decay, Nesterov = nesterov });
        using var reference = optim.SGD([theirs], 0.1, momentum, weight_decay: decay, nesterov: nesterov);
        for (int step = 0; step < 5; step++)
        {
            foreach (var parameter in new[] { ours, theirs })
                parameter.pow(3).sum().backward();
            optimizer.Step(0.1);
            reference.step();
            reference.zero_grad();
            Assert.Null(ours.grad);
        }

        Assert.True(Bits.Same(ours, theirs));
        Assert.False(Bits.Same(ours, start));
    }

    [Fact]
    public void Gradients_are_clipped_to_their_norm_and_biases_may_go_without_decay()
    {
        using var scope = NewDisposeScope();
        Parameter weight = new(full([2, 2], 3f)), bias = new(full([4], 3f));
        var options = new TrainingOptions { Momentum = 0, WeightDecay = 0.5, DecayBiasesAndNorms = false, ClipGradientNorm = 1 };
        using var optimizer = new SgdOptimizer([("weight", weight), ("bias", bias)], options);
        (weight.sum() + bias.sum()).backward();

        // Eight gradients of 1: norm √8, then 1/√8 each (torch's clipping adds 1e-6 to the norm).
        Assert.Equal(Math.Sqrt(8), optimizer.ClipGradients(), 1e-5);
        optimizer.Step(1);
        Assert.Equal(3 - 1 / Math.Sqrt(8), bias[0].item<float>(), 1e-5);
        Assert.Equal(3 - 1.5 - 1 / Math.Sqrt(8), weight[0, 0].item<float>(), 1e-5);
    }
}
