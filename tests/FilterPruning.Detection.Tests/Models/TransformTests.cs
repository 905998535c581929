using FilterPruning.Detection.Models;

namespace FilterPruning.Detection.Tests.ModelTests;

public class TransformTests
{
    // What torchvision 0.14.1 gives. Where the exact product is a whole number, float32 decides whether it is reached.
    [Theory]
    [InlineData(480, 640, 800, 1333, 800, 1066)]
    [InlineData(427, 640, 800, 1333, 799, 1199)]
    [InlineData(375, 500, 800, 1333, 799, 1066)]
    [InlineData(333, 1000, 800, 1333, 443, 1333)]
    [InlineData(100, 140, 128, 208, 127, 179)]
    [InlineData(150, 110, 128, 208, 174, 127)]
    public void Sizes_follow_torchvisions_arithmetic(int height, int width, int minSize, int maxSize, int newHeight, int newWidth)
    {
        var transform = new GeneralizedRcnnTransform(new MaskRcnnOptions { MinSize = minSize, MaxSize = maxSize });
        Assert.Equal((newHeight, newWidth), transform.ResizedSize(height, width, minSize));
    }

    [Fact]
    public void A_constant_image_is_normalised_and_padded_with_zeros()
    {
        using var scope = NewDisposeScope();
        var transform = new GeneralizedRcnnTransform(Small.Options);
        var (batch, sizes) = transform.Apply([full(3, 64, 70, 0.5f), full(3, 64, 64, 1f)], [64, 64]);
        Assert.Equal([2L, 3, 64, 96], batch.shape);
        Assert.Equal([(64, 70), (64, 64)], sizes);
        Assert.Equal((0.5f - 0.485f) / 0.229f, batch[0, 0, 63, 69].item<float>(), 1e-5f);
        Assert.Equal((1f - 0.406f) / 0.225f, batch[1, 2, 63, 63].item<float>(), 1e-5f);
        Assert.Equal(0, batch[0, 0, 63, 70].item<float>());
        Assert.Equal(0, batch[1, 2, 0, 64].item<float>());
    }

    [Fact]
    public void Boxes_and_masks_scale_with_their_image()
    {
        using var scope = NewDisposeScope();
        var target = ParityFormula.Target([[10, 20, 30, 40, 1]], 60, 80);
        var resized = GeneralizedRcnnTransform.ResizeTarget(target, (60, 80), (120, 160));
        Assert.Equal([20f, 40f, 60f, 80f], resized.Boxes.data<float>().ToArray());
        Assert.Equal([1L, 120, 160], resized.Masks.shape);
        Assert.Equal(4 * target.Masks.sum().item<long>(), resized.Masks.sum().item<long>());
    }

    [Fact]
    public void Anchors_are_torchvisions()
    {
        using var scope = NewDisposeScope();
        var anchors = new AnchorGenerator([[32], [64]], [0.5, 1, 2]).Generate((64, 96), [zeros(1, 1, 16, 24), zeros(1, 1, 8, 12)]);
        Assert.Equal([(16 * 24 + 8 * 12) * 3L, 4], anchors.shape);
        // round([±45.25, ±22.63] / 2), moved by 4 pixels a column and a row
        Assert.Equal([-23f, -11, 23, 11], anchors[0].data<float>().ToArray());
        Assert.Equal([-16f + 4, -16, 16 + 4, 16], anchors[4].data<float>().ToArray());
        Assert.Equal([-11f, -23 + 4, 11, 23 + 4], anchors[(24 * 3) + 2].data<float>().ToArray());
        Assert.Equal([-32f, -32, 32, 32], anchors[(16 * 24 * 3) + 1].data<float>().ToArray());
    }
}
