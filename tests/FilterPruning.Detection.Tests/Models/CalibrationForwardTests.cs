using FilterPruning.Detection.Models;

namespace FilterPruning.Detection.Tests.ModelTests;

public class CalibrationForwardTests
{
    [Fact]
    public void Later_runs_work_on_the_boxes_of_the_first_run()
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var dense = MaskRcnn.ResNet18Fpn(3, Small.Options);
        using var changed = MaskRcnn.ResNet18Fpn(3, Small.Options with { Seed = 4, BoxScoreThresh = 0.9 });
        var image = Small.Images()[0];
        var calibration = new CalibrationForward();

        var first = calibration.Run(dense, image);
        var other = calibration.Run(changed, image);
        var again = calibration.Run(dense, image);

        Assert.Equal(30, first.ClassLogits.shape[0]);
        Assert.Equal(dense.Detect([image])[0].Count, first.MaskLogits.shape[0]);
        Assert.Equal(first.ClassLogits.shape, other.ClassLogits.shape);
        Assert.Equal(first.MaskLogits.shape, other.MaskLogits.shape);
        Assert.True(first.ClassLogits.equal(again.ClassLogits).all().item<bool>());
        Assert.True(first.MaskLogits.equal(again.MaskLogits).all().item<bool>());
        Assert.False(first.ClassLogits.equal(other.ClassLogits).all().item<bool>());
    }

    [Fact]
    public void An_image_is_known_by_its_number()
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var model = MaskRcnn.ResNet18Fpn(3, Small.Options);
        var calibration = new CalibrationForward(maxProposals: 12);
        var first = calibration.Run(model, Small.Images()[0], 1);
        var second = calibration.Run(model, Small.Images()[1], 2);
        var again = calibration.Run(model, Small.Images()[0], 1);
        Assert.Equal(12, first.ClassLogits.shape[0]);
        Assert.Equal(12, second.ClassLogits.shape[0]);
        Assert.True(first.BoxDeltas.equal(again.BoxDeltas).all().item<bool>());
        Assert.False(first.BoxDeltas.equal(second.BoxDeltas).all().item<bool>());
    }

    [Fact]
    public void An_image_on_which_nothing_was_found_can_be_run_again()
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var model = MaskRcnn.ResNet18Fpn(3, Small.Options with { BoxScoreThresh = 1 });
        var image = Small.Images()[0];
        var calibration = new CalibrationForward();
        Assert.Equal(0, calibration.Run(model, image).MaskLogits.shape[0]);
        Assert.Equal(0, calibration.Run(model, image).MaskLogits.shape[0]);
    }
}
