using FilterPruning.Detection.Onnx;

namespace FilterPruning.Detection.Tests.Onnx;

/// <summary>Known differences are found.</summary>
public class DetectionComparisonTests
{
    [Fact]
    public void Known_differences_are_measured()
    {
        using var scope = NewDisposeScope();
        var one = Answer((10, 1, 0.9f), (40, 2, 0.8f));
        Assert.Equal(new DetectionComparison(2, 2, 2, 0, 0, 1), DetectionComparison.Of(one, one));

        var moved = Answer((40.25f, 2, 0.7f), (10, 1, 0.9f));
        var comparison = DetectionComparison.Of(one, moved);
        Assert.Equal((2, 2, 2, 0.25), (comparison.Expected, comparison.Found, comparison.Matched, comparison.BoxPixels));
        Assert.Equal(0.1, comparison.Score, 1e-6);
        Assert.False(comparison.IsWithinTolerance);

        Assert.Equal(1, DetectionComparison.Of(one, Answer((10, 1, 0.9f), (40, 3, 0.8f))).Matched);
        var fewer = DetectionComparison.Of(one, Answer((10, 1, 0.9f)));
        Assert.Equal((2, 1, 1), (fewer.Expected, fewer.Found, fewer.Matched));
        Assert.False(fewer.IsWithinTolerance);
        Assert.Equal(new DetectionComparison(4, 3, 3, 0, 0, 1), fewer.With(DetectionComparison.Of(one, one)));
        Assert.Equal(new DetectionComparison(2, 0, 0, 0, 0, 1), DetectionComparison.Of(one, Answer()));

        // Nineteen of twenty rows.
        var cut = one with { Masks = one.Masks.clone() };
        cut.Masks[0].narrow(1, 10, 1).zero_();
        Assert.Equal(0.95, DetectionComparison.Of(one, cut).MaskIou, 1e-9);
    }

    // Squares of 20 pixels in an image of 64.
    private static Models.Detection Answer(params (float Corner, long Label, float Score)[] objects)
    {
        var boxes = zeros(objects.Length, 4);
        var masks = zeros(objects.Length, 1, 64, 64);
        for (var i = 0; i < objects.Length; i++)
        {
            var corner = objects[i].Corner;
            boxes[i] = tensor(new[] { corner, corner, corner + 20, corner + 20 });
            masks[i].narrow(1, (int)corner, 20).narrow(2, (int)corner, 20).fill_(1);
        }

        return new Models.Detection(
            boxes, tensor(objects.Select(one => one.Label).ToArray(), ScalarType.Int64), tensor(objects.Select(one => one.Score).ToArray()), masks);
    }
}
