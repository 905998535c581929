using FilterPruning.Detection.Models;
using FilterPruning.Graph;

namespace FilterPruning.Detection.Tests.Pruning;

public class MaskRcnnTracingTests
{
    [Theory]
    [InlineData("maskrcnn_resnet18_fpn")]
    [InlineData("maskrcnn_resnet50_fpn")]
    public void Roles_are_those_of_the_architecture(string name)
    {
        using var scope = NewDisposeScope();
        var model = MaskRcnn.Create(name, 91, new MaskRcnnOptions { MinSize = 64, MaxSize = 64, BoxDetectionsPerImage = 20 });
        var image = rand(3, 64, 64, generator: new Generator(1));
        var graph = DependencyGraph.Trace(model, m => m.Detect([image]));

        var free = graph.Roles.Where(role => role.Pin is null).ToList();
        var expected = (name == "maskrcnn_resnet18_fpn" ? BasicBody() : BottleneckBody()).Concat(Head()).ToList();
        Assert.Equal(expected.Order(), free.Select(role => role.Count).Order());
        Assert.Equal(expected.Sum(), graph.Groups.Count(group => group.Pin is null));

        var pyramid = free.Single(role => role.Sides.Any(side => side.Layer == "roi_heads.box_head.fc6" && side.Axis == ChannelAxis.Input));
        Assert.Equal(
            [
                .. Enumerable.Range(0, 4).Select(level => new RoleSide($"backbone.fpn.layer_blocks.{level}.0", ChannelAxis.Output, 1)),
                new RoleSide("roi_heads.box_head.fc6", ChannelAxis.Input, 49),
                new RoleSide("roi_heads.mask_head.0.0", ChannelAxis.Input, 1),
                new RoleSide("rpn.head.conv.0.0", ChannelAxis.Input, 1),
            ],
            pyramid.Sides.OrderBy(side => side.Layer, StringComparer.Ordinal));

        Assert.Equal(
            ["backbone.body.conv1", "roi_heads.box_predictor.bbox_pred", "roi_heads.box_predictor.cls_score", "roi_heads.mask_predictor.mask_fcn_logits", "rpn.head.bbox_pred", "rpn.head.cls_logits"],
            graph.Roles.Where(role => role.Pin is not null).SelectMany(role => role.Sides).Select(side => side.Layer).Distinct().Order(StringComparer.Ordinal));
    }

    /// <summary>Most of 91 classes are detected in no trial; their channels of the output layers stay for the same reason as those of the classes that are.</summary>
    [Fact]
    public void Every_channel_of_an_output_layer_stays_for_the_same_reason()
    {
        using var scope = NewDisposeScope();
        var model = MaskRcnn.ResNet18Fpn(91, new MaskRcnnOptions { MinSize = 64, MaxSize = 64, BoxDetectionsPerImage = 20 });
        var image = rand(3, 64, 64, generator: new Generator(1));
        var graph = DependencyGraph.Trace(model, m => m.Detect([image]));

        // Pasting masks and choosing proposals have no derivative.
        foreach (var (name, channels, reason) in new[]
        {
            ("roi_heads.box_predictor.cls_score", 91, PinReason.ModelOutput), ("roi_heads.box_predictor.bbox_pred", 364, PinReason.ModelOutput), ("roi_heads.mask_predictor.mask_fcn_logits", 91, PinReason.FeedsNothingTraceable),
            ("rpn.head.cls_logits", 3, PinReason.FeedsNothingTraceable), ("rpn.head.bbox_pred", 12, PinReason.FeedsNothingTraceable),
        })
        {
            // One role a layer, not one for the classes that were seen and one for the others.
            var role = Assert.Single(graph.Roles, role => role.Sides.Any(side => side.Layer == name && side.Axis == ChannelAxis.Output));
            Assert.Equal(channels, role.Count);
            Assert.All(role.Groups, group => Assert.True(graph.Groups[group].Pin?.Reason == reason, graph.Groups[group].Pin?.Evidence));
        }
    }

    // Stem and first stage share one residual sum; every block has one inner width.
    private static IEnumerable<int> BasicBody() =>
        [64, 64, 64, .. new[] { 128, 256, 512 }.SelectMany(width => new[] { width, width, width })];

    // Per stage one residual sum of four times the width, and two inner widths a block.
    private static IEnumerable<int> BottleneckBody() =>
        [64, .. new[] { (64, 3), (128, 4), (256, 6), (512, 3) }.SelectMany(stage => Enumerable.Repeat(stage.Item1, 2 * stage.Item2).Append(4 * stage.Item1))];

    // Pyramid inner and layer blocks, RPN, fc6, fc7, four mask convolutions and the transposed one.
    private static IEnumerable<int> Head() => [256, 256, 256, 1024, 1024, 256, 256, 256, 256, 256];
}
