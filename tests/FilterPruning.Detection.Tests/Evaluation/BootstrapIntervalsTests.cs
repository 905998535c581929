using FilterPruning.Detection.Data;
using FilterPruning.Detection.Evaluation;

namespace FilterPruning.Detection.Tests.Evaluation;

/// <summary>Intervals over images, against closed forms and against evaluating data sets in which images are written down as often as they were drawn.</summary>
public class BootstrapIntervalsTests
{
    private const int Side = 64;
    private const double Tolerance = 1e-12;

    [Fact]
    public void Images_that_are_all_alike_give_intervals_of_no_width()
    {
        var (images, truths, detections) = (new List<long>(), new List<GroundTruthInstance>(), new List<DetectedInstance>());
        for (var image = 0; image < 12; image++)
        {
            images.Add(image);
            truths.AddRange([Truth(image, 1, 0, 0, 10, 10), Truth(image, 1, 30, 30, 10, 10)]);
            detections.Add(new DetectedInstance(image, 1, (0, 0, 10, 8), Rectangle(0, 0, 10, 8), 0.9));
        }

        var intervals = BootstrapIntervals.Compute(images, truths, detections);

        // Every detection is right, so precision is 1 up to recall 1/2: 51 of 101 points.
        Equal(51 / 101.0, intervals.MaskAP50);
        Equal(0.8, intervals.IouAt50);
        Equal(0.5, intervals.MatchRate);

        static void Equal(double expected, BootstrapInterval? interval)
        {
            Assert.Equal(expected, interval!.Value.Low, Tolerance);
            Assert.Equal(expected, interval.Value.High, Tolerance);
        }
    }

    [Fact]
    public void Drawing_each_image_once_gives_the_plain_figures()
    {
        foreach (var seed in Enumerable.Range(0, 20))
        {
            var data = RandomData(seed);
            var (ap50, iou, rate) = Figures(data, [.. data.Images.Select(_ => 1)]);
            Assert.Equal(CocoEvaluator.Evaluate(data.Truths, data.Detections, IouType.Mask).AP50, ap50, Tolerance);
            var matched = MatchedIou.Compute(data.Truths, data.Detections);
            Assert.Equal(matched.MeanIou, iou, Tolerance);
            Assert.Equal(matched.MatchRate, rate, Tolerance);
        }
    }

    [Fact]
    public void Any_draw_gives_the_figures_of_the_data_set_with_that_many_copies()
    {
        var random = new Random(5);
        var differed = 0;
        for (var seed = 0; seed < 60; seed++)
        {
            var data = RandomData(seed);
            int[] copies = [.. data.Images.Select(_ => random.Next(4))];
            var figures = Figures(data, copies);

            // The same, brute force: every copy is an image of its own, with an id of its own.
            var (truths, detections) = (new List<GroundTruthInstance>(), new List<DetectedInstance>());
            for (var image = 0; image < copies.Length; image++)
            {
                for (var copy = 0; copy < copies[image]; copy++)
                {
                    var id = (image * 10) + copy;
                    truths.AddRange(data.Truths.Where(truth => truth.ImageId == image).Select(truth => truth with { ImageId = id }));
                    detections.AddRange(data.Detections.Where(found => found.ImageId == image).Select(found => found with { ImageId = id }));
                }
            }

            var matched = MatchedIou.Compute(truths, detections);
            Assert.Equal(CocoEvaluator.Evaluate(truths, detections, IouType.Mask).AP50, figures.MaskAP50, Tolerance);
            Assert.Equal(matched.MeanIou, figures.IouAt50, Tolerance);
            Assert.Equal(matched.MatchRate, figures.MatchRate, Tolerance);
            differed += figures.MaskAP50 == Figures(data, [.. copies.Select(_ => 1)]).MaskAP50 ? 0 : 1;
        }

        Assert.True(differed > 30, $"Only {differed} of the draws changed the figure; the test would not see much.");
    }

    [Fact]
    public void The_width_for_a_share_is_that_of_the_binomial_distribution()
    {
        // Half of 100 images are right: the share of a draw is binomial, n = 100, p = 1/2, so its standard deviation is 0.05 and its middle 95 % reach ±0.1, which is
        // a multiple of the step 0.01. The ends of 4000 draws scatter by less than one step.
        long[] images = [.. Enumerable.Range(0, 100)];
        GroundTruthInstance[] truths = [.. images.Select(image => Truth(image, 1, 0, 0, 10, 10))];
        DetectedInstance[] detections = [.. images.Where(image => image % 2 == 0).Select(image => new DetectedInstance(image, 1, (0, 0, 10, 10), Rectangle(0, 0, 10, 10), 0.9))];

        var interval = BootstrapIntervals.Compute(images, truths, detections, resamples: 4000).MatchRate!.Value;

        Assert.Equal(0.4, interval.Low, 0.0101);
        Assert.Equal(0.6, interval.High, 0.0101);
    }

    [Fact]
    public void The_seed_decides_and_the_plain_figure_lies_inside()
    {
        var data = RandomData(3);
        var one = BootstrapIntervals.Compute(data.Images, data.Truths, data.Detections, 500, seed: 1);

        Assert.Equal(one, BootstrapIntervals.Compute(data.Images, data.Truths, data.Detections, 500, seed: 1));
        Assert.NotEqual(one with { Seed = 2 }, BootstrapIntervals.Compute(data.Images, data.Truths, data.Detections, 500, seed: 2));
        Assert.InRange(MatchedIou.Compute(data.Truths, data.Detections).MatchRate, one.MatchRate!.Value.Low, one.MatchRate.Value.High);
        Assert.True(one.MaskAP50!.Value.Low < one.MaskAP50.Value.High);
    }

    [Fact]
    public void Nothing_found_and_nothing_to_find_are_told_apart()
    {
        var missed = BootstrapIntervals.Compute([1, 2], [Truth(1, 1, 0, 0, 10, 10)], [], 100);
        Assert.Equal(new BootstrapInterval(0, 0), missed.MaskAP50);
        Assert.Equal(new BootstrapInterval(0, 0), missed.MatchRate);
        Assert.Null(missed.IouAt50);

        var empty = BootstrapIntervals.Compute([1, 2], [], [], 100);
        Assert.Null(empty.MaskAP50);
        Assert.Null(empty.MatchRate);
    }

    [Theory]
    [InlineData(new double[] { 7 }, 7, 7)]
    [InlineData(new double[] { 3, 1, 2, 5, 4 }, 1.1, 4.9)] // 2.5 % of the way from 1 to 5 is 0.1 beyond the first of four steps
    [InlineData(new double[] { -1, 1, 2, -1 }, 1.025, 1.975)]
    public void The_middle_is_interpolated_between_defined_values(double[] values, double low, double high)
    {
        var middle = BootstrapIntervals.Middle(values)!.Value;
        Assert.Equal(low, middle.Low, Tolerance);
        Assert.Equal(high, middle.High, Tolerance);
    }

    [Fact]
    public void Wrong_images_are_named()
    {
        Assert.Contains("image 9", Assert.Throws<ArgumentException>(() => BootstrapIntervals.Compute([1], [Truth(9, 1, 0, 0, 1, 1)], [])).Message, StringComparison.Ordinal);
        Assert.Contains("each once", Assert.Throws<ArgumentException>(() => BootstrapIntervals.Compute([1, 1], [], [])).Message, StringComparison.Ordinal);
        Assert.Contains("at least one", Assert.Throws<ArgumentException>(() => BootstrapIntervals.Compute([], [], [])).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => BootstrapIntervals.Compute([1], [], [], 0));
    }

    [Fact]
    public void The_evaluator_draws_only_when_asked()
    {
        var scenes = ShapeScenes.Create(3, 0);
        static IReadOnlyList<Models.Detection> Nothing(IReadOnlyList<Tensor> images) =>
            [.. images.Select(image => new Models.Detection(zeros(0, 4), zeros(0, dtype: int64), zeros(0), zeros(0, 1, image.shape[1], image.shape[2])))];

        Assert.Null(DetectionEvaluator.Evaluate(Nothing, scenes).Intervals);
        var intervals = DetectionEvaluator.Evaluate(Nothing, scenes, new EvaluationOptions { BootstrapResamples = 10, BootstrapSeed = 4 }).Intervals!;
        Assert.Equal(new BootstrapInterval(0, 0), intervals.MaskAP50);
        Assert.Equal((10, 4L), (intervals.Resamples, intervals.Seed));
        Assert.Contains("BootstrapResamples is -1", Assert.Throws<ArgumentException>(() => DetectionEvaluator.Evaluate(Nothing, scenes, new EvaluationOptions { BootstrapResamples = -1 })).Message, StringComparison.Ordinal);
    }

    private static (double MaskAP50, double IouAt50, double MatchRate) Figures((long[] Images, GroundTruthInstance[] Truths, DetectedInstance[] Detections) data, int[] copies)
    {
        var indexOf = data.Images.ToDictionary(image => image, image => (int)image);
        var masks = CocoEvaluator.Accumulate(data.Truths, data.Detections, IouType.Mask, CancellationToken.None);
        var matched = MatchedIou.OfImages(data.Truths, data.Detections, IouType.Mask, 0.5, 0.5);
        return new ResampledFigures(
            [.. masks.Select(entry => entry.Matches.ForResampling(0, indexOf))],
            [.. matched.Select(entry => (indexOf[entry.ImageId], entry.IouSum, entry.Matches, entry.GroundTruths))]).Of(copies);
    }

    // Images 0 … 7, some without objects, three classes, a crowd now and then; hits, near misses and false alarms with scores that are all different.
    private static (long[] Images, GroundTruthInstance[] Truths, DetectedInstance[] Detections) RandomData(int seed)
    {
        var random = new Random(seed);
        var (truths, detections) = (new List<GroundTruthInstance>(), new List<DetectedInstance>());
        for (var image = 0; image < 8; image++)
        {
            for (var i = random.Next(4); i > 0; i--)
            {
                var (x, y, category) = (random.Next(40), random.Next(40), 1 + random.Next(3));
                truths.Add(Truth(image, category, x, y, 16, 16) with { IsCrowd = random.Next(8) == 0 });
                if (random.Next(3) > 0)
                    detections.Add(Found(image, category, x + random.Next(6), y + random.Next(3)));
            }

            for (var i = random.Next(3); i > 0; i--)
                detections.Add(Found(image, 1 + random.Next(3), random.Next(40), random.Next(40)));
        }

        return ([.. Enumerable.Range(0, 8)], [.. truths], [.. detections]);

        DetectedInstance Found(int image, int category, int x, int y) => new(image, category, (x, y, 16, 16), Rectangle(x, y, 16, 16), random.NextDouble());
    }

    private static GroundTruthInstance Truth(long image, int category, int x, int y, int width, int height) =>
        new(image, category, (x, y, width, height), Rectangle(x, y, width, height), width * height);

    private static RleMask Rectangle(int x, int y, int width, int height)
    {
        var pixels = new bool[Side * Side];
        for (var row = y; row < y + height; row++)
            pixels.AsSpan((row * Side) + x, width).Fill(true);
        return RleMask.FromMask(pixels, Side, Side);
    }
}
