using FilterPruning.Graph;
using FilterPruning.Recovery;
using FilterPruning.Selection;

namespace FilterPruning.Tests.Selection;

/// <summary>How much answers feel the outputs of layers, in cases that can be written down.</summary>
public sealed class OutputSensitivityTests
{
    [Fact]
    public void TheLastLayersOutputsAreFeltByTheAnswersVariance()
    {
        using var scope = NewDisposeScope();
        using var net = new FourLayers(3);
        using var sample = net.Sample();
        var sensitivity = OutputSensitivity.Measure(sample, 1, 0)!;
        var answer = First(sample);
        // f = Σ ±y / (s·√n): each of the n / 5 places of an output adds 1 / (s²·n).
        var variance = answer.var().item<float>();
        var found = sensitivity.Of(sample.Graph.Layers[^1]).data<double>().ToArray();
        Assert.Equal(5, found.Length);
        Assert.All(found, value => Assert.Equal(1 / (5 * variance), value, 1e-5 / variance));
    }

    [Fact]
    public void ItPredictsTheChangeOfTheAnswersUnderSmallNoise()
    {
        using var scope = NewDisposeScope();
        using var net = new FourLayers(3);
        using var sample = net.Sample();
        var layer = sample.Graph.Layers[1];
        // Many draws of signs: the mean over draws is the expectation, by several seeds.
        var predicted = Enumerable.Range(0, 60).Average(seed => OutputSensitivity.Measure(sample, 6, seed)!.Of(layer).data<double>()[3]);

        const double Variance = 1e-6;
        using var generator = new Generator(2);
        var change = 0.0;
        const int Rounds = 60;
        for (var round = 0; round < Rounds; round++)
        {
            for (var input = 0; input < sample.Inputs; input++)
            {
                using var inner = NewDisposeScope();
                using var noGrad = no_grad();
                var dense = (Tensor)sample.Answers[input]()!;
                using var hook = layer.Rule.Watch(layer.Module, new Layers.CallWatcher(null, (_, outputs) =>
                {
                    var noisy = outputs[0].clone();
                    noisy.select(1, 3).add_(randn(noisy.select(1, 3).shape, generator: generator) * Math.Sqrt(Variance));
                    return [noisy];
                }));
                change += ((Tensor)sample.Answers[input]()! - dense).square().mean().item<float>() / dense.var().item<float>() / (Rounds * sample.Inputs);
            }
        }

        // 60 × 6 × 18 noisy places and 60 × 6 draws: a few per cent of spread each.
        Assert.InRange(change / Variance / predicted, 0.75, 1.33);
    }

    [Fact]
    public void ThereIsNoneWhereNothingReturnedHasAGradient()
    {
        using var scope = NewDisposeScope();
        using var net = new FourLayers(3);
        var graph = net.Graph();
        using var generator = new Generator(1);
        using var sample = CalibrationSample.Collect(net, graph, [randn([2, 4, 3, 3], generator: generator)], (model, input) => model.call(input).argmax(1));
        Assert.Null(OutputSensitivity.Measure(sample, 1, 0));
    }

    private static Tensor First(CalibrationSample sample)
    {
        using var noGrad = no_grad();
        return (Tensor)sample.Answers[0]()!;
    }
}
