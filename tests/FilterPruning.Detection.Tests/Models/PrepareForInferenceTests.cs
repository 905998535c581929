using FilterPruning.Detection.Models;
using FilterPruning.Graph;
using FilterPruning.Inference;
using FilterPruning.Planning;
using FilterPruning.Surgery;

namespace FilterPruning.Detection.Tests.ModelTests;

public class PrepareForInferenceTests
{
    [Theory]
    [InlineData("maskrcnn_resnet18_fpn", BackboneNorm.Frozen)]
    [InlineData("maskrcnn_resnet50_fpn", BackboneNorm.Frozen)]
    [InlineData("maskrcnn_resnet18_fpn", BackboneNorm.Live)]
    public void The_prepared_layers_equal_the_layers_one_by_one(string name, BackboneNorm norm)
    {
        NeedOneDnn();
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var model = Model(name, norm);
        var images = Small.Images();
        var plain = model.ProposeForTest(images);
        var boxes = plain.Proposals;
        var (logits, deltas) = model.Heads.ClassifyBoxes(plain.Features, boxes, plain.Images.Sizes);
        var masks = model.Heads.PredictMasks(plain.Features, boxes, plain.Images.Sizes);

        using var prepared = model.PrepareForInference();
        var fused = model.ProposeForTest(images);
        // The same boxes in both, so that none falls on another side of a threshold.
        var (fusedLogits, fusedDeltas) = model.Heads.ClassifyBoxes(fused.Features, boxes, plain.Images.Sizes);
        var fusedMasks = model.Heads.PredictMasks(fused.Features, boxes, plain.Images.Sizes);
        for (var level = 0; level < 5; level++)
            Close(plain.Features[level], fused.Features[level]);
        Close(plain.Prediction.Objectness, fused.Prediction.Objectness);
        Close(plain.Prediction.Deltas, fused.Prediction.Deltas);
        Close(logits, fusedLogits);
        Close(deltas, fusedDeltas);
        Close(masks, fusedMasks);
    }

    [Fact]
    public void Ending_it_brings_back_every_bit()
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var model = Model("maskrcnn_resnet18_fpn", BackboneNorm.Frozen);
        var images = Small.Images();
        var before = model.Detect(images);
        var weights = model.state_dict().Select(entry => entry.Value.clone()).ToArray();
        using (var prepared = model.PrepareForInference())
        {
            Assert.Same(prepared, model.PrepareForInference());
            model.Detect(images);
        }

        var after = model.Detect(images);
        foreach (var (one, two) in before.Zip(after))
        {
            Assert.True(one.Boxes.equal(two.Boxes).all().item<bool>() && one.Scores.equal(two.Scores).all().item<bool>());
            Assert.True(one.Masks.equal(two.Masks).all().item<bool>());
        }

        Assert.All(weights.Zip(model.state_dict().Values), pair => Assert.True(pair.First.equal(pair.Second).all().item<bool>()));
        using var again = model.PrepareForInference();
    }

    [Fact]
    public void A_prepared_detector_can_be_pruned()
    {
        using var scope = NewDisposeScope();
        using var model = Model("maskrcnn_resnet18_fpn", BackboneNorm.Frozen);
        var image = Small.Images()[0];
        using var prepared = model.PrepareForInference();
        using (no_grad())
            model.Detect([image]);
        var graph = DependencyGraph.Trace(model, detector => detector.Detect([image]));
        using var cut = Surgeon.Apply(graph, PruningPlanner.CreatePlan(graph, new PruningOptions { Ratio = 0.4 }));
        Assert.True(cut.ProofError < 1e-3);

        using var guard = no_grad();
        var fused = model.ProposeForTest([image]);
        prepared.Dispose();
        var plain = model.ProposeForTest([image]);
        for (var level = 0; level < 5; level++)
            Close(plain.Features[level], fused.Features[level]);
    }

    [Fact]
    public void Its_norms_can_be_folded_for_good_as_well()
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var model = Model("maskrcnn_resnet50_fpn", BackboneNorm.Frozen);
        var images = Small.Images();
        var plain = model.ProposeForTest(images);
        using var folded = NormFolding.Apply(model, detector => detector.ProposeForTest(images).Features);
        Assert.Equal(53, folded.Folded.Count);
        Assert.Empty(folded.Kept);
        Assert.Contains(new FoldedPair("backbone.body.layer1.0.downsample.0", "backbone.body.layer1.0.downsample.1"), folded.Folded);
        var after = model.ProposeForTest(images);
        using var prepared = model.PrepareForInference();
        var both = model.ProposeForTest(images);
        for (var level = 0; level < 5; level++)
        {
            Close(plain.Features[level], after.Features[level]);
            Close(plain.Features[level], both.Features[level]);
        }
    }

    [Fact]
    public void It_says_where_the_time_went()
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var model = Model("maskrcnn_resnet18_fpn", BackboneNorm.Frozen);
        var times = new StageTimes();
        var timed = model.Detect(Small.Images(), times);
        var plain = model.Detect(Small.Images());
        Assert.All(timed.Zip(plain), pair => Assert.True(pair.First.Scores.equal(pair.Second.Scores).all().item<bool>()));
        Assert.All(Enum.GetValues<DetectionStage>(), stage => Assert.True(times[stage] > TimeSpan.Zero, $"{stage}"));
        Assert.Equal(times.Total, Enum.GetValues<DetectionStage>().Aggregate(TimeSpan.Zero, (sum, stage) => sum + times[stage]));
    }

    [Fact]
    public void Nothing_is_left_behind()
    {
        using var guard = no_grad();
        var images = Small.Images();
        using var model = Model("maskrcnn_resnet18_fpn", BackboneNorm.Frozen);
        var before = LiveTensors.Settled();
        using (model.PrepareForInference())
        {
            foreach (var detection in model.Detect(images))
                detection.Dispose();
        }

        Assert.Equal(before, LiveTensors.Settled());
        foreach (var image in images)
            image.Dispose();
    }

    private static void NeedOneDnn() => Assert.SkipUnless(FusedConvolution.IsSupported, "This build of libtorch has no oneDNN.");

    private static MaskRcnnModel Model(string name, BackboneNorm norm)
    {
        var model = MaskRcnn.Create(name, 3, Small.Options with { Norm = norm, BoxScoreThresh = 0 });
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var generator = new Generator(3);
        // Norms that do something.
        foreach (var (key, tensor) in model.state_dict().Where(entry => entry.Value.dim() == 1))
        {
            if (key.EndsWith("running_var", StringComparison.Ordinal))
                tensor.uniform_(0.5, 2, generator);
            else if (key.EndsWith("running_mean", StringComparison.Ordinal))
                tensor.normal_(0, 0.1, generator);
        }

        model.eval();
        return model;
    }

    // Each of some fifty layers adds a relative error of about √576 · 2⁻²⁴ of its outputs' size; they add up at worst.
    private static void Close(Tensor expected, Tensor given)
    {
        var size = Math.Max(expected.abs().max().item<float>(), 1e-6f);
        var error = (expected - given).abs().max().item<float>();
        Assert.True(error <= 50 * 24 * MathF.Pow(2, -24) * size, $"{error} of {size}");
    }
}
