using FilterPruning.Detection.Models;
using FilterPruning.Detection.Ops;
using FilterPruning.Detection.Training;

namespace FilterPruning.Detection.Tests.Training;

public class DetectorWeightsTests
{
    [Theory]
    [InlineData(BackboneNorm.Frozen)]
    [InlineData(BackboneNorm.Live)]
    public void Weights_drawn_anew_are_like_the_constructors(BackboneNorm norm)
    {
        using var scope = NewDisposeScope();
        var options = ModelTests.Small.Options with { Norm = norm, BackboneWidth = 16, FpnChannels = 48, RepresentationSize = 64, MaskChannels = 32, MaskReducedChannels = 32 };
        using var made = MaskRcnn.ResNet18Fpn(6, options);
        using var redrawn = MaskRcnn.ResNet18Fpn(6, options);
        using (no_grad())
        {
            foreach (var tensor in redrawn.state_dict().Values.Where(tensor => tensor.is_floating_point()))
                tensor.fill_(7);
        }

        DetectorWeights.Redraw(redrawn, 5);
        var values = redrawn.state_dict();
        foreach (var (name, expected) in made.state_dict())
        {
            var actual = values[name];
            if (expected.numel() < 2 || expected.var(unbiased: false).item<float>() == 0)
            {
                Assert.True(Bits.Same(expected, actual), name);
                continue;
            }

            // The error of a standard deviation from n draws is at most about 1/√(2n) of it; both are drawn, five errors are allowed.
            var allowed = 5 * Math.Sqrt(2.0 / (2 * expected.numel()));
            Assert.InRange(actual.std().item<float>() / expected.std().item<float>(), 1 - allowed, 1 + allowed);
            Assert.InRange(actual.abs().max().item<float>() / expected.abs().max().item<float>(), 0.3, 3);
        }

        using var again = MaskRcnn.ResNet18Fpn(6, options);
        DetectorWeights.Redraw(again, 5);
        var twice = again.state_dict();
        Assert.All(values, pair => Assert.True(Bits.Same(pair.Value, twice[pair.Key]), pair.Key));
    }

    [Fact]
    public void Widths_of_a_pruned_detector_stay_and_its_weights_spread_by_their_own_fan()
    {
        using var scope = NewDisposeScope();
        using var pair = new SmallPair(0.5);
        var shapes = pair.Student.state_dict().Select(e => (e.Key, string.Join(",", e.Value.shape))).ToArray();
        DetectorWeights.Redraw(pair.Student, 1);

        Assert.Equal(shapes, pair.Student.state_dict().Select(e => (e.Key, string.Join(",", e.Value.shape))));
        // fc7's weights are uniform within ±1/√(inputs left).
        var fc7 = pair.Student.get_parameter("roi_heads.box_head.fc7.weight")!;
        Assert.InRange(fc7.abs().max().item<float>() * Math.Sqrt(fc7.shape[1]), 0.9, 1);
    }

    [Fact]
    public void Slicing_keeps_the_planned_part_of_the_given_weights()
    {
        using var scope = NewDisposeScope();
        using var pair = new SmallPair(0.4);
        using var sliced = MaskRcnn.ResNet18Fpn(6, pair.Options with { Seed = 50 });
        using var whole = MaskRcnn.ResNet18Fpn(6, pair.Options with { Seed = 50 });
        DetectorWeights.Slice(sliced, pair.Plan!);

        var layer = pair.Plan!.Find("roi_heads.box_head.fc7")!;
        long[] outputs = [.. Enumerable.Range(0, layer.OutputChannels).Except(layer.RemovedOutputs).Select(c => (long)c)];
        long[] inputs = [.. Enumerable.Range(0, layer.InputChannels).Except(layer.RemovedInputs).Select(c => (long)c)];
        var expected = whole.get_parameter("roi_heads.box_head.fc7.weight")!.index_select(0, tensor(outputs)).index_select(1, tensor(inputs));
        Assert.True(Bits.Same(expected, sliced.get_parameter("roi_heads.box_head.fc7.weight")!));
        Assert.Equal(pair.Student.parameters().Select(p => p.numel()), sliced.parameters().Select(p => p.numel()));
    }

    [Fact]
    public void Measured_norms_give_even_values()
    {
        using var scope = NewDisposeScope();
        using var model = MaskRcnn.ResNet18Fpn(6, ModelTests.Small.Options);
        var images = ModelTests.Small.Images();
        Assert.Equal(20, DetectorWeights.MeasureNorms(model, images));

        var spreads = new List<(float Mean, float Variance)>();
        var last = model.modules().OfType<FrozenBatchNorm2d>().ToArray();
        var hooks = last.Select(norm => norm.register_forward_hook((_, _, output) =>
        {
            spreads.Add((output.mean([0, 2, 3]).abs().max().item<float>(), output.var([0L, 2L, 3L], unbiased: false).max().item<float>()));
            return output;
        })).ToArray();
        using (no_grad())
            model.ProposeForTest(images);
        foreach (var hook in hooks)
            hook.remove();

        Assert.Equal(20, spreads.Count);
        Assert.All(spreads, s => Assert.InRange(s.Mean, 0, 1e-3f));
        Assert.All(spreads, s => Assert.InRange(s.Variance, 0.5f, 1.001f));
        Assert.Throws<ArgumentException>(() => DetectorWeights.MeasureNorms(model, []));
    }
}
