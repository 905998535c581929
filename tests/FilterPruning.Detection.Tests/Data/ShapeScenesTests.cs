using System.Security.Cryptography;
using FilterPruning.Detection.Data;

namespace FilterPruning.Detection.Tests.Data;

public class ShapeScenesTests
{
    private static readonly ShapeScenesOptions Oblong = new() { Width = 96, Height = 64, Occlusion = 0.8, Clutter = 8 };

    // Golden: scenes never change, or results of different versions cannot be compared. If a change of the drawing is meant, print the new hashes and say so in the changelog.
    [Theory]
    [InlineData(false, "08AF5C1B4F811DE7E7F49F2A9A40F1FD")]
    [InlineData(true, "B6E054B94B358469C5C5A3F481C5612F")]
    public void Scenes_are_bit_by_bit_what_they_were(bool oblong, string expected)
    {
        var scenes = ShapeScenes.Create(1000, seed: 7, oblong ? Oblong : null);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (var index = 0; index < 12; index++)
            Append(hash, scenes, index);
        Assert.Equal(expected, Convert.ToHexString(hash.GetHashAndReset())[..32]);
    }

    [Fact]
    public void A_scene_depends_on_seed_and_index_alone()
    {
        var forward = Enumerable.Range(0, 24).Select(index => HashOf(ShapeScenes.Create(24, seed: 1), index)).ToArray();
        Assert.Equal(24, forward.Distinct().Count());

        // Another length, the other direction, several threads, one of them after scenes of another size.
        var other = ShapeScenes.Create(1000, seed: 1);
        var parallel = new string[24];
        Parallel.For(0, 24, new ParallelOptions { MaxDegreeOfParallelism = 4 }, i =>
        {
            ShapeScenes.Create(5, seed: 2, Oblong).Load(i % 5).Dispose();
            parallel[23 - i] = HashOf(other, 23 - i);
        });
        Assert.Equal(forward, parallel);
        Assert.NotEqual(forward[0], HashOf(ShapeScenes.Create(24, seed: 2), 0));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Targets_are_consistent(bool oblong)
    {
        var scenes = ShapeScenes.Create(60, seed: 3, oblong ? Oblong : null);
        var (height, width) = (scenes.Options.Height, scenes.Options.Width);
        for (var index = 0; index < scenes.Count; index++)
        {
            using var scope = NewDisposeScope();
            var sample = scenes.Load(index);
            var (boxes, labels, masks) = sample.Target;
            var count = labels.shape[0];
            Assert.Equal([3, height, width], sample.Image.shape);
            Assert.Equal([count, 4], boxes.shape);
            Assert.Equal([count, height, width], masks.shape);
            Assert.Equal((float32, float32, int64, uint8), (sample.Image.dtype, boxes.dtype, labels.dtype, masks.dtype));
            Assert.InRange(count, 0, scenes.Options.MaxObjects);

            // 8-bit pixels: nothing is lost in a PNG.
            Assert.True(sample.Image.ge(0).all().item<bool>() && sample.Image.le(1).all().item<bool>());
            Assert.Equal(0, (sample.Image - ((sample.Image * 255).round() / 255f)).abs().max().item<float>());
            if (count == 0)
                continue;

            Assert.True(labels.ge(1).all().item<bool>() && labels.le(scenes.ClassNames.Count).all().item<bool>());
            Assert.True(masks.sum(0, type: int64).le(1).all().item<bool>(), "two objects own a pixel");
            Assert.True(masks.sum([1L, 2L], type: int64).ge(scenes.Options.MinVisiblePixels).all().item<bool>());
            for (var i = 0; i < count; i++)
            {
                // The box by another way: from the coordinates of the mask's pixels.
                var pixels = masks[i].nonzero();
                var (low, high) = (pixels.amin([0L]), pixels.amax([0L]) + 1);
                Assert.Equal([low[1].item<long>(), low[0].item<long>(), high[1].item<long>(), high[0].item<long>()], boxes[i].to(int64).data<long>().ToArray());
            }
        }
    }

    [Fact]
    public void Each_class_is_as_frequent_as_the_others()
    {
        // Without occlusion nothing is left out, so each object's class is one draw of five.
        var options = new ShapeScenesOptions { Width = 64, Height = 64, Clutter = 0, Occlusion = 0, MinVisiblePixels = 1, MinVisibleFraction = 0, MaxObjectScale = 0.2 };
        var (counts, _) = Survey(ShapeScenes.Create(1200, seed: 4, options));
        double total = counts.Sum();
        var deviation = Math.Sqrt(total * 0.2 * 0.8);
        Assert.InRange(total, 4000, 5000);
        Assert.All(counts, count => Assert.InRange(count, (total / 5) - (5 * deviation), (total / 5) + (5 * deviation)));
    }

    [Fact]
    public void Classes_cannot_be_told_by_colour()
    {
        var (counts, colours) = Survey(ShapeScenes.Create(300, seed: 5));
        for (var a = 0; a < 5; a++)
        {
            for (var b = 0; b < a; b++)
            {
                // A value in 0 … 1 deviates by at most 0.5; five standard deviations of the difference of two means.
                var bound = 5 * 0.5 * Math.Sqrt((1.0 / counts[a]) + (1.0 / counts[b]));
                for (var channel = 0; channel < 3; channel++)
                    Assert.InRange(colours[a, channel] - colours[b, channel], -bound, bound);
            }
        }
    }

    [Fact]
    public void Empty_scenes_have_empty_targets()
    {
        var scenes = ShapeScenes.Create(3, seed: 6, new ShapeScenesOptions { EmptyProbability = 1 });
        using var sample = scenes.Load(2);
        Assert.Equal([0, 4], sample.Target.Boxes.shape);
        Assert.Equal([0], sample.Target.Labels.shape);
        Assert.Equal([0, 160, 160], sample.Target.Masks.shape);
        Assert.True(sample.Image.std().item<float>() > 0, "nothing is drawn");
    }

    [Fact]
    public void Harder_options_give_harder_scenes()
    {
        var calm = new ShapeScenesOptions { Noise = 0, Blur = 0, Texture = 0, Lighting = 0, Clutter = 0, Occlusion = 0, EmptyProbability = 1 };
        using var plain = ShapeScenes.Create(1, seed: 1, calm).Load(0);
        Assert.Equal(0, plain.Image.flatten(1).std(1).max().item<float>(), 1e-6);
        using var noisy = ShapeScenes.Create(1, seed: 1, calm with { Noise = 0.1 }).Load(0);
        var deviation = noisy.Image.flatten(1).std(1).mean().item<float>();
        Assert.InRange(deviation, 1e-3, 0.105);
    }

    [Fact]
    public void Loading_leaves_no_tensor_behind()
    {
        var scenes = ShapeScenes.Create(4, seed: 1);
        scenes.Load(0).Dispose();
        var before = LiveTensors.Settled();
        scenes.Load(1).Dispose();
        Assert.Equal(before, Tensor.TotalCount);
    }

    [Fact]
    public void Bad_options_are_listed_together()
    {
        var error = Assert.Throws<ArgumentException>(() => ShapeScenes.Create(1, 1, new ShapeScenesOptions { Width = 8, Noise = double.NaN, MaxObjects = 0 }));
        foreach (var name in new[] { "Width is 8", "Noise is NaN", "MaxObjects is 0" })
            Assert.Contains(name, error.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => ShapeScenes.Create(0, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => ShapeScenes.Create(3, 1).Load(3));
        Assert.Throws<ArgumentOutOfRangeException>(() => ShapeScenes.Create(3, 1).Load(-1));
    }

    /// <summary>Objects of each class, and the mean colour of each class's visible pixels, an object counted as one.</summary>
    private static (int[] Counts, double[,] Colours) Survey(ShapeScenes scenes)
    {
        var (counts, colours) = (new int[5], new double[5, 3]);
        for (var index = 0; index < scenes.Count; index++)
        {
            using var scope = NewDisposeScope();
            var sample = scenes.Load(index);
            for (var i = 0; i < sample.Target.Labels.shape[0]; i++)
            {
                var label = (int)sample.Target.Labels[i].item<long>() - 1;
                var inside = sample.Image.masked_select(sample.Target.Masks[i].to(@bool)).reshape(3, -1).mean([1L]).data<float>().ToArray();
                counts[label]++;
                for (var channel = 0; channel < 3; channel++)
                    colours[label, channel] += (inside[channel] - colours[label, channel]) / counts[label];
            }
        }

        return (counts, colours);
    }

    private static string HashOf(ShapeScenes scenes, int index)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Append(hash, scenes, index);
        return Convert.ToHexString(hash.GetHashAndReset());
    }

    private static void Append(IncrementalHash hash, ShapeScenes scenes, int index)
    {
        using var sample = scenes.Load(index);
        hash.AppendData(sample.Image.bytes);
        hash.AppendData(sample.Target.Boxes.bytes);
        hash.AppendData(sample.Target.Labels.bytes);
        hash.AppendData(sample.Target.Masks.bytes);
    }
}
