using FilterPruning.Detection.Data;
using FilterPruning.Detection.Models;
using FilterPruning.Detection.Training;

namespace FilterPruning.Detection.Tests.Training;

public class ScaleJitterTests
{
    [Theory]
    [InlineData(2.0, 0.0, 0.0, new[] { 8f, 16f, 40f, 40f })]   // the window is the top left quarter of the enlarged image: box (4, 8, 20, 20) doubles
    [InlineData(2.0, 1.0, 1.0, new[] { 0f, 0f, 8f, 8f })]      // the window begins at (32, 32): what is left is 40 − 32
    [InlineData(0.5, 0.0, 0.0, new[] { 2f, 4f, 10f, 10f })]
    [InlineData(0.5, 1.0, 1.0, new[] { 18f, 20f, 26f, 26f })]  // put 16 further right and down
    [InlineData(1.0, 0.5, 0.5, new[] { 4f, 8f, 20f, 20f })]
    public void Boxes_and_masks_go_where_the_picture_goes(double factor, double x, double y, float[] expected)
    {
        using var scope = NewDisposeScope();
        using var sample = Sample(4, 8, 20, 20);
        using var changed = ScaleJitter.Apply(sample, factor, x, y);

        Assert.Equal([3, 32, 32], changed.Image.shape);
        if (factor == 2 && x == 1)
        {
            // 8 × 8 of 32 × 24 pixels are less than a quarter: the object is left out.
            Assert.Equal(0, changed.Target.Boxes.shape[0]);
            return;
        }
        float[] inside = [Math.Clamp(expected[0], 0, 32), Math.Clamp(expected[1], 0, 32), Math.Clamp(expected[2], 0, 32), Math.Clamp(expected[3], 0, 32)];
        Assert.Equal(inside, changed.Target.Boxes.data<float>().ToArray());
        var mask = zeros([1, 32, 32], uint8);
        mask[0, (int)inside[1]..(int)inside[3], (int)inside[0]..(int)inside[2]] = 1;
        Assert.True(Bits.Same(mask, changed.Target.Masks));
        // The object is white on black; away from its edge the picture says so too.
        Assert.Equal(1, changed.Image[0, (int)(inside[1] + inside[3]) / 2, (int)(inside[0] + inside[2]) / 2].item<float>());
    }

    [Fact]
    public void It_leaves_no_tensor_behind()
    {
        using var sample = Sample(4, 8, 20, 20);
        long before = Bits.LiveTensors();
        ScaleJitter.Apply(sample, 1.3, 0.2, 0.7).Dispose();
        ScaleJitter.Apply(sample, 0.7, 0.2, 0.7).Dispose();

        Assert.Equal(before, Bits.LiveTensors());
    }

    private static DetectionSample Sample(int left, int top, int right, int bottom)
    {
        using var scope = NewDisposeScope();
        var masks = zeros([1, 32, 32], uint8);
        masks[0, top..bottom, left..right] = 1;
        var image = masks.to(float32).expand(3, 32, 32).clone();
        var boxes = tensor(new float[] { left, top, right, bottom }).view(1, 4);
        return new DetectionSample(1, image.MoveToOuterDisposeScope(), new Target(boxes.MoveToOuterDisposeScope(), ones([1], int64).MoveToOuterDisposeScope(), masks.MoveToOuterDisposeScope()));
    }
}
