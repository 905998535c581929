using FilterPruning.Detection.Data;
using FilterPruning.Detection.Models;

namespace FilterPruning.Detection.Tests.Data;

public class DetectionTransformsTests
{
    private static readonly ShapeScenes Scenes = ShapeScenes.Create(20, seed: 11, new ShapeScenesOptions { Width = 96, Height = 64 });

    [Fact]
    public void Flipping_twice_changes_nothing()
    {
        for (var index = 0; index < 10; index++)
        {
            using var sample = Scenes.Load(index);
            using var once = DetectionTransforms.FlipHorizontal(sample);
            using var twice = DetectionTransforms.FlipHorizontal(once);
            AssertSame(sample, twice);
            Assert.False(sample.Image.equal(once.Image).all().item<bool>(), "flipping does nothing");
        }
    }

    [Fact]
    public void Flipped_boxes_are_those_of_the_flipped_masks()
    {
        for (var index = 0; index < 10; index++)
        {
            using var sample = Scenes.Load(index);
            using var flipped = DetectionTransforms.FlipHorizontal(sample);
            using var expected = tensor(BoxesOf(flipped)).reshape(-1, 4);
            Assert.Equal(expected.shape, flipped.Target.Boxes.shape);
            Assert.True(expected.equal(flipped.Target.Boxes).all().item<bool>());
        }
    }

    [Fact]
    public void Scaling_by_one_changes_nothing()
    {
        using var sample = Scenes.Load(0);
        using var scaled = DetectionTransforms.Scale(sample, 1);
        AssertSame(sample, scaled);
    }

    [Fact]
    public void Doubling_makes_four_pixels_of_each()
    {
        using var scope = NewDisposeScope();
        var sample = Scenes.Load(1);
        var scaled = DetectionTransforms.Scale(sample, 2);
        Assert.Equal([3, 128, 192], scaled.Image.shape);
        Assert.True(sample.Target.Masks.repeat_interleave(2, 1).repeat_interleave(2, 2).equal(scaled.Target.Masks).all().item<bool>());
        Assert.True((sample.Target.Boxes * 2).equal(scaled.Target.Boxes).all().item<bool>());

        // Half-pixel centres: the middle of the new image between two old pixels is their mean, 3 : 1.
        var (a, b) = (sample.Image[0, 10, 20].item<float>(), sample.Image[0, 10, 21].item<float>());
        var (c, d) = (sample.Image[0, 11, 20].item<float>(), sample.Image[0, 11, 21].item<float>());
        Assert.Equal(((9 * a) + (3 * b) + (3 * c) + d) / 16, scaled.Image[0, 21, 41].item<float>(), 1e-5);
    }

    [Theory]
    [InlineData(0.3)]
    [InlineData(0.7)]
    [InlineData(0.9)]
    [InlineData(1.3)]
    public void Boxes_follow_masks_to_a_pixel(double factor)
    {
        // The first new pixel whose centre lies inside a rectangle is at most half a pixel from its scaled edge. (Thin tips of other shapes may fall between the centres.)
        var random = new SplitMix64(1);
        for (var trial = 0; trial < 50; trial++)
        {
            var (x, y, w, h) = (random.NextInt(40), random.NextInt(30), 8 + random.NextInt(23), 8 + random.NextInt(27));
            using var sample = Rectangle(x, y, w, h);
            using var scaled = DetectionTransforms.Scale(sample, factor);
            var (boxes, expected) = (scaled.Target.Boxes.data<float>().ToArray(), BoxesOf(scaled));
            Assert.Equal(4, expected.Length);
            for (var i = 0; i < 4; i++)
                Assert.InRange(boxes[i] - expected[i], -0.501, 0.501);
        }
    }

    [Fact]
    public void Objects_that_vanish_are_left_out()
    {
        using var masks = zeros([2, 8, 8], uint8);
        masks[0, 0, 0] = 1;
        masks[1] = 1;
        using var sample = new DetectionSample(1, zeros(3, 8, 8), new Target(tensor(new float[,] { { 0, 0, 1, 1 }, { 0, 0, 8, 8 } }), tensor(new long[] { 1, 2 }), masks));
        using var scaled = DetectionTransforms.Scale(sample, 0.25);
        Assert.Equal([2L], scaled.Target.Labels.data<long>().ToArray());
        Assert.Equal([1, 2, 2], scaled.Target.Masks.shape);
    }

    [Fact]
    public void Augmenting_is_a_function_of_seed_and_position()
    {
        var options = new AugmentationOptions();
        using var sample = Scenes.Load(2);
        var (widths, flips) = (new HashSet<long>(), 0);
        for (var position = 0; position < 40; position++)
        {
            using var first = DetectionTransforms.Augment(sample, options, seed: 1, position);
            using var again = DetectionTransforms.Augment(sample, options, seed: 1, position);
            AssertSame(first, again);
            using var straight = DetectionTransforms.Scale(sample, first.Image.shape[2] / 96.0);
            widths.Add(first.Image.shape[2]);
            Assert.InRange(first.Image.shape[2], 77, 120);
            flips += straight.Image.shape.SequenceEqual(first.Image.shape) && straight.Target.Masks.equal(first.Target.Masks).all().item<bool>() ? 0 : 1;
        }

        // 40 draws with p = 0.5: mean 20, deviation 3.2; five of them.
        Assert.InRange(flips, 5, 35);
        Assert.True(widths.Count > 10, $"only {widths.Count} sizes");
        Assert.Throws<ArgumentException>(() => DetectionTransforms.Augment(sample, options with { MinScale = 2 }, 1, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => DetectionTransforms.Scale(sample, double.NaN));
    }

    [Fact]
    public void Empty_targets_stay_empty_and_nothing_is_left_behind()
    {
        using var sample = ShapeScenes.Create(1, seed: 1, new ShapeScenesOptions { EmptyProbability = 1 }).Load(0);
        DetectionTransforms.Augment(sample, new AugmentationOptions(), 1, 1).Dispose();
        var before = LiveTensors.Settled();
        using (var changed = DetectionTransforms.Augment(sample, new AugmentationOptions { FlipProbability = 1 }, 1, 1))
            Assert.Equal([0, 4], changed.Target.Boxes.shape);
        Assert.Equal(before, Tensor.TotalCount);
    }

    private static void AssertSame(DetectionSample a, DetectionSample b)
    {
        Assert.Equal(a.ImageId, b.ImageId);
        foreach (var (x, y) in new[] { (a.Image, b.Image), (a.Target.Boxes, b.Target.Boxes), (a.Target.Labels, b.Target.Labels), (a.Target.Masks, b.Target.Masks) })
        {
            Assert.Equal(x.shape, y.shape);
            Assert.True(x.equal(y).all().item<bool>());
        }
    }

    private static DetectionSample Rectangle(int x, int y, int width, int height)
    {
        var masks = zeros([1, 67, 71], uint8);
        using (var inside = masks.narrow(1, y, height).narrow(2, x, width))
            inside.fill_(1);
        return new DetectionSample(1, zeros(3, 67, 71), new Target(tensor(new float[,] { { x, y, x + width, y + height } }), tensor(new long[] { 1 }), masks));
    }

    private static float[] BoxesOf(DetectionSample sample)
    {
        using var scope = NewDisposeScope();
        var boxes = new List<float>();
        for (var i = 0; i < sample.Target.Masks.shape[0]; i++)
        {
            var pixels = sample.Target.Masks[i].nonzero();
            var (low, high) = (pixels.amin([0L]), pixels.amax([0L]) + 1);
            boxes.AddRange([low[1].item<long>(), low[0].item<long>(), high[1].item<long>(), high[0].item<long>()]);
        }

        return [.. boxes];
    }
}
