using FilterPruning.Detection.Models;

namespace FilterPruning.Detection.Tests.ModelTests;

/// <summary>Every stage against torchvision 0.14.1; see tests/fixtures/parity/make_parity.py.</summary>
public class ParityTests
{
    private const double FeatureTolerance = 1e-4;

    [Theory]
    [InlineData("r18_frozen")]
    [InlineData("r18_live")]
    [InlineData("r50_frozen")]
    [InlineData("r50_live")]
    public void Every_stage_the_detections_the_losses_and_the_gradients_equal_torchvisions(string name)
    {
        using var scope = NewDisposeScope();
        var expected = ParityFixture.Read(name);
        using var model = expected.Build();
        using (no_grad())
        {
            CheckStages(expected, model);
            CheckDetections(expected, model);
        }

        CheckLosses(expected, model);
    }

    private static void CheckStages(ParityFixture expected, MaskRcnnModel model)
    {
        var images = expected.Images();
        var (batch, features, prediction, proposals) = model.ProposeForTest(images);
        Assert.Equal(expected.Sizes.Select(s => (s[0], s[1])), batch.Sizes);
        expected.Batch.Check(batch.Tensors, FeatureTolerance, "batch");
        for (var i = 0; i < features.Length; i++)
            expected.Features[i].Check(features[i], FeatureTolerance, $"features[{i}]");
        CheckLevels(expected.Objectness, prediction.Objectness.unsqueeze(2), prediction.AnchorsPerLevel, "objectness");
        CheckLevels(expected.AnchorDeltas, prediction.Deltas, prediction.AnchorsPerLevel, "anchor deltas");
        for (var i = 0; i < proposals.Length; i++)
            CheckBoxes(expected.Proposals[i], proposals[i], $"proposals[{i}]");

        var (logits, deltas) = model.Heads.ClassifyBoxes(features, proposals, batch.Sizes);
        expected.ClassLogits.Check(logits, 2e-4, "class logits");
        expected.BoxDeltas.Check(deltas.flatten(1), 2e-4, "box deltas");
        var found = model.Heads.Detect(features, proposals, batch.Sizes);
        expected.MaskLogits.Check(model.Heads.PredictMasks(features, [.. found.Select(f => f.Boxes)], batch.Sizes), 2e-4, "mask logits");
    }

    private static void CheckDetections(ParityFixture expected, MaskRcnnModel model)
    {
        var detections = model.Detect(expected.Images());

        Assert.Equal(expected.Detections.Length, detections.Count);
        for (var i = 0; i < detections.Count; i++)
        {
            var (wanted, actual) = (expected.Detections[i], detections[i]);
            CheckBoxes(wanted.Boxes, actual.Boxes, $"boxes[{i}]");
            Assert.Equal(wanted.Labels, actual.Labels.data<long>().ToArray());
            var scores = actual.Scores.data<float>().ToArray();
            for (var d = 0; d < scores.Length; d++)
            {
                Assert.Equal(wanted.Scores[d], scores[d], 1e-4f);
                // Probabilities: the tolerance is absolute.
                (wanted.Masks[d] with { Magnitude = 1 }).Check(actual.Masks[d], 1e-3, $"masks[{i}][{d}]");
            }
        }
    }

    private static void CheckLosses(ParityFixture expected, MaskRcnnModel model)
    {
        model.train();
        using var losses = model.Losses(expected.Images(), expected.Targets());

        CheckLoss("loss_classifier", losses.Classifier);
        CheckLoss("loss_box_reg", losses.BoxRegression);
        CheckLoss("loss_mask", losses.Mask);
        CheckLoss("loss_objectness", losses.Objectness);
        CheckLoss("loss_rpn_box_reg", losses.RpnBoxRegression);

        // A gradient jumps where a pre-activation changes its sign: two per cent of the mean magnitude, or what torchvision itself is off by in float32.
        losses.Total().backward();
        var parameters = model.named_parameters().ToDictionary(p => p.name, p => p.parameter);
        foreach (var (key, gradient) in expected.Gradients)
            gradient.Check(parameters[key].grad!, Math.Max(2e-2, 2 * gradient.Drift), "gradient of " + key);
        foreach (var (key, running) in expected.Running)
            running.Check(model.state_dict()[key], 1e-4, key);

        void CheckLoss(string loss, Tensor actual) => Assert.Equal(expected.Losses[loss], actual.item<float>(), 1e-4 * expected.Losses[loss]);
    }

    // torchvision's levels are [N, A·C, H, W]; ours are slices of [N, H·W·A, C].
    private static void CheckLevels(ParityFixture.Sampled[] expected, Tensor actual, IReadOnlyList<long> anchorsPerLevel, string what)
    {
        long first = 0;
        for (var level = 0; level < expected.Length; level++)
        {
            var (n, channels, height, width) = (expected[level].Shape[0], expected[level].Shape[1], expected[level].Shape[2], expected[level].Shape[3]);
            var slice = actual.narrow(1, first, anchorsPerLevel[level]).reshape(n, height, width, channels).permute(0, 3, 1, 2);
            expected[level].Check(slice, FeatureTolerance, $"{what}[{level}]");
            first += anchorsPerLevel[level];
        }
    }

    private static void CheckBoxes(float[][] expected, Tensor actual, string what)
    {
        Assert.Equal([expected.Length, 4], actual.shape);
        var values = actual.data<float>().ToArray();
        for (var i = 0; i < values.Length; i++)
            Assert.True(Math.Abs(values[i] - expected[i / 4][i % 4]) <= 0.01, $"{what}[{i / 4}][{i % 4}] is {values[i]}, torchvision has {expected[i / 4][i % 4]}");
    }
}
