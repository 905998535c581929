using FilterPruning.Detection.Ops;
using static FilterPruning.Detection.Tests.Ops.OpsFixture;

namespace FilterPruning.Detection.Tests.Ops;

/// <summary>Every operator against what torchvision 0.14.1 answered (tests/fixtures/ops/make_ops.py).</summary>
public class TorchvisionParityTests
{
    // Values of order one in float32, some dozens of operations.
    private const double Tolerance = 1e-5;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void RoIAlign_and_its_gradient(int number)
    {
        using var scope = NewDisposeScope();
        var options = Get($"roi_align.{number}.options").data<float>().ToArray();
        var input = Get($"roi_align.{number}.input").requires_grad_();
        var output = RoIAlign.Apply(
            input, Get($"roi_align.{number}.rois"), (int)options[0], (int)options[1], options[2], (int)options[3], options[4] != 0);
        AssertClose($"roi_align.{number}.output", output, Tolerance);
        var gradient = autograd.grad([output], [input], [Get($"roi_align.{number}.cotangent")])[0];
        AssertClose($"roi_align.{number}.gradient", gradient, 5 * Tolerance);
    }

    [Fact]
    public void MultiScaleRoIAlign_chooses_levels_and_scales()
    {
        using var scope = NewDisposeScope();
        var names = new[] { "0", "1", "2", "3", "pool" };
        var features = names.Select(name => KeyValuePair.Create(name, Get($"multiscale.feature.{name}"))).ToList();
        var sizes = Get("multiscale.sizes").data<long>().ToArray();
        (int, int)[] imageSizes = [((int)sizes[0], (int)sizes[1]), ((int)sizes[2], (int)sizes[3])];
        Tensor[] boxes = [Get("multiscale.boxes.0"), Get("multiscale.boxes.1")];

        var pooler = new MultiScaleRoIAlign(["0", "1", "2", "3"], 3, 2) { CanonicalScale = 56 };
        AssertClose("multiscale.output", pooler.Pool(features, boxes, imageSizes), Tolerance);

        var scales = MultiScaleRoIAlign.Scales([.. features.Take(4).Select(f => f.Value)], imageSizes);
        Assert.Equal(Get("multiscale.scales").data<float>().ToArray(), scales.Select(s => (float)s));
        var levels = new LevelMapper(2, 5, 56).Map(cat(boxes, 0).data<float>().ToArray(), 4);
        Assert.Equal(Get("multiscale.levels").data<long>().ToArray(), levels.Select(level => (long)level));
        Assert.True(levels.Distinct().Count() == 4);
    }

    [Theory]
    [InlineData("small")]
    [InlineData("large")]
    public void Nms_keeps_the_same_boxes_in_the_same_order(string size)
    {
        using var scope = NewDisposeScope();
        var (boxes, scores, groups) = (Get($"nms.{size}.boxes"), Get($"nms.{size}.scores"), Get($"nms.{size}.groups"));
        AssertSame($"nms.{size}.keep", BoxOps.Nms(boxes, scores, 0.5));

        // With many boxes torchvision's last sort is not stable: only the set and the sequence of scores are defined.
        var (expected, actual) = (Get($"nms.{size}.batched"), BoxOps.BatchedNms(boxes, scores, groups, 0.5));
        Assert.Equal(expected.data<long>().Order(), actual.data<long>().Order());
        Assert.Equal(scores[expected].data<float>().ToArray(), scores[actual].data<float>().ToArray());
        if (size == "small")
            AssertSame($"nms.{size}.batched", actual);
    }

    [Fact]
    public void Box_operations()
    {
        using var scope = NewDisposeScope();
        var (one, other) = (Get("boxes.one"), Get("boxes.other"));
        AssertClose("boxes.clipped", BoxOps.ClipToImage(one, (50, 60)), 0);
        AssertSame("boxes.large", BoxOps.RemoveSmall(one, 8));
        AssertClose("boxes.area", BoxOps.Area(one), 0);
        AssertClose("boxes.iou", BoxOps.Iou(one, other), 1e-7);
    }

    [Fact]
    public void Box_coding()
    {
        using var scope = NewDisposeScope();
        var coder = new BoxCoder(10, 10, 5, 5);
        var (truth, proposals) = (Get("coder.truth"), Get("coder.proposals"));
        AssertClose("coder.encoded", coder.EncodeSingle(truth, proposals), 2e-5);
        var encoded = coder.Encode([truth[..3], truth[3..]], [proposals[..3], proposals[3..]]);
        AssertClose("coder.encoded", cat([.. encoded], 0), 2e-5);
        // Coordinates reach some thousands of pixels beyond the clip.
        AssertClose("coder.decoded", coder.Decode(Get("coder.codes"), [proposals[..3], proposals[3..]]), 2e-3);
    }

    [Fact]
    public void Smooth_l1() => AssertClose("loss.value", BoxLosses.SmoothL1Sum(Get("loss.prediction"), zeros(8, 4)), Tolerance);

    [Fact]
    public void Matching()
    {
        using var scope = NewDisposeScope();
        var quality = Get("matcher.quality");
        AssertSame("matcher.strict", new Matcher(0.3, 0.2).Match(quality));
        AssertSame("matcher.generous", new Matcher(0.3, 0.2, allowLowQualityMatches: true).Match(quality));
        Assert.NotEqual(Get("matcher.strict").data<long>().ToArray(), Get("matcher.generous").data<long>().ToArray());
    }

    [Fact]
    public void Frozen_batch_norm_and_its_gradient()
    {
        using var scope = NewDisposeScope();
        using var norm = new FrozenBatchNorm2d(5);
        foreach (var (name, buffer) in norm.state_dict())
            buffer.copy_(Get($"norm.{name}"));
        var input = Get("norm.input").requires_grad_();
        var output = norm.call(input);
        AssertClose("norm.output", output, Tolerance);
        AssertClose("norm.gradient", autograd.grad([output], [input], [Get("norm.cotangent")])[0], Tolerance);
    }

    [Fact]
    public void Mask_pasting_and_projection()
    {
        using var scope = NewDisposeScope();
        var (masks, boxes) = (Get("paste.masks"), Get("paste.boxes"));
        AssertClose("paste.output", MaskOps.PasteMasksInImage(masks, boxes, (24, 26)), Tolerance);
        AssertClose("paste.unpadded", MaskOps.PasteMasksInImage(masks[..2], boxes[..2], (24, 26), padding: 0), Tolerance);
        AssertClose("paste.output", MaskOps.PasteComposed(masks, boxes, (24, 26), 1), Tolerance);
        AssertClose("project.output", MaskOps.ProjectMasksOnBoxes(Get("project.masks"), Get("project.boxes"), Get("project.matched"), 14), Tolerance);
    }
}
