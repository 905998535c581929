using FilterPruning.Detection.Data;
using FilterPruning.Detection.Evaluation;

namespace FilterPruning.Detection.Tests.Evaluation;

/// <summary>Cases whose figures follow by hand. Objects are rectangles, so that boxes and masks agree; images are 300 × 300.</summary>
public class CocoEvaluatorTests
{
    private const double Tolerance = 1e-12;

    [Fact]
    public void Perfect_detections_have_a_precision_and_recall_of_one()
    {
        GroundTruthInstance[] truths = [Truth(1, 1, 0, 0, 10, 10), Truth(2, 1, 20, 20, 50, 50), Truth(3, 2, 50, 50, 200, 200)];
        DetectedInstance[] detections = [.. truths.Select((truth, i) => new DetectedInstance(truth.ImageId, truth.Category, truth.Box, truth.Mask, 0.9 - i * 0.1))];
        foreach (var type in Enum.GetValues<IouType>())
            Assert.All(CocoEvaluator.Evaluate(truths, detections, type).Figures(), figure => Assert.Equal(1, figure.Value, Tolerance));
    }

    [Fact]
    public void All_figures_of_a_small_case_follow_by_hand()
    {
        // Class 1: a small object found exactly, a medium one on another image found with a box IoU of 31/50 and a mask IoU of 41/50, and one small false alarm
        // between them in score. Class 2: a large object found exactly.
        GroundTruthInstance[] truths = [Truth(1, 1, 0, 0, 20, 20), Truth(2, 1, 100, 100, 50, 50), Truth(1, 2, 50, 50, 100, 200)];
        DetectedInstance[] detections =
        [
            Found(1, 1, 0, 0, 20, 20, 0.9),
            Found(1, 1, 200, 0, 20, 20, 0.8),
            Found(2, 1, 100, 100, 50, 31, 0.7) with { Mask = Rectangle(100, 100, 50, 41) },
            Found(1, 2, 50, 50, 100, 200, 0.9),
        ];
        // At thresholds the medium object is found at: precision 1 up to recall 0.5 (51 of 101 points), then 2/3. At others: 51 points of 1. It is found at
        // 0.50, 0.55, 0.60 by its box and at 0.50 … 0.80 by its mask. Looked at alone, it is found or not; the false alarm is small and not counted there.
        Check(IouType.Box, found: 3, at75: false);
        Check(IouType.Mask, found: 7, at75: true);

        void Check(IouType type, int found, bool at75)
        {
            const double without = 51 / 101.0, with = (51 + 50 * 2 / 3.0) / 101;
            var share = found / 10.0;
            var metrics = CocoEvaluator.Evaluate(truths, detections, type);
            Equal(metrics.AP, (1 + share * with + (1 - share) * without) / 2);
            Equal(metrics.AP50, (1 + with) / 2);
            Equal(metrics.AP75, (1 + (at75 ? with : without)) / 2);
            Equal(metrics.APsmall, 1);
            Equal(metrics.APmedium, share);
            Equal(metrics.APlarge, 1);
            Equal(metrics.AR1, (1 + (1 + share) / 2) / 2);
            Equal(metrics.AR10, (1 + (1 + share) / 2) / 2);
            Equal(metrics.AR100, (1 + (1 + share) / 2) / 2);
            Equal(metrics.ARsmall, 1);
            Equal(metrics.ARmedium, share);
            Equal(metrics.ARlarge, 1);
            Assert.Equal([(1, 2), (2, 1)], metrics.Categories.Select(category => (category.Category, category.GroundTruths)));
            Equal(metrics.Categories[0].AP, share * with + (1 - share) * without);
            Equal(metrics.Categories[0].AP50, with);
            Equal(metrics.Categories[0].AR100, (1 + share) / 2);
            Equal(metrics.Categories[1].AP, 1);
        }
    }

    [Theory]
    [InlineData(0.95, 0.5)] // surer than the right one: precision 1/2 at every recall
    [InlineData(0.85, 1)] // less sure: every recall is reached before
    public void A_false_alarm_counts_by_its_score(double score, double expected)
    {
        var metrics = CocoEvaluator.Evaluate([Truth(1, 1, 0, 0, 20, 20)], [Found(1, 1, 0, 0, 20, 20, 0.9), Found(1, 1, 100, 0, 20, 20, score)], IouType.Mask);
        Equal(metrics.AP, expected);
        Equal(metrics.AR100, 1);
        Equal(metrics.APmedium, -1);
    }

    [Fact]
    public void A_false_alarm_on_an_image_without_objects_counts_as_well()
    {
        Equal(CocoEvaluator.Evaluate([Truth(1, 1, 0, 0, 20, 20)], [Found(1, 1, 0, 0, 20, 20, 0.9), Found(7, 1, 0, 0, 20, 20, 0.95)], IouType.Box).AP, 0.5);
    }

    [Fact]
    public void A_class_without_objects_counts_nothing()
    {
        var metrics = CocoEvaluator.Evaluate([Truth(1, 1, 0, 0, 20, 20)], [Found(1, 1, 0, 0, 20, 20, 0.9), Found(1, 2, 0, 0, 20, 20, 0.95)], IouType.Box);
        Equal(metrics.AP, 1);
        Assert.Equal(1, Assert.Single(metrics.Categories).Category);
    }

    [Fact]
    public void The_second_detection_of_an_object_is_wrong()
    {
        GroundTruthInstance[] truths = [Truth(1, 1, 0, 0, 20, 20), Truth(1, 1, 100, 0, 20, 20)];
        DetectedInstance[] detections = [Found(1, 1, 0, 0, 20, 20, 0.9), Found(1, 1, 0, 0, 20, 20, 0.8), Found(1, 1, 100, 0, 20, 20, 0.7)];
        Equal(CocoEvaluator.Evaluate(truths, detections, IouType.Box).AP, (51 + 50 * 2 / 3.0) / 101);
    }

    [Fact]
    public void Crowds_are_neither_missed_nor_wrong()
    {
        GroundTruthInstance[] truths = [Truth(1, 1, 0, 0, 20, 20), Truth(1, 1, 100, 100, 100, 100) with { IsCrowd = true }];
        DetectedInstance[] detections = [Found(1, 1, 0, 0, 20, 20, 0.6), Found(1, 1, 110, 110, 20, 20, 0.9), Found(1, 1, 110, 110, 20, 20, 0.8), Found(1, 1, 150, 150, 30, 30, 0.7)];
        foreach (var type in Enum.GetValues<IouType>())
        {
            var metrics = CocoEvaluator.Evaluate(truths, detections, type);
            Equal(metrics.AP, 1); // three detections lie in the crowd wholly, so overlap it by 1
            Equal(metrics.AR1, 0); // but they take the single place
            Equal(metrics.AR10, 1);
            Equal(metrics.APlarge, -1); // a crowd is no ground truth
            // one more, of which only 40 % lie in the crowd
            Equal(CocoEvaluator.Evaluate(truths, [.. detections, Found(1, 1, 70, 150, 50, 25, 0.95)], type).AP, 0.5);
            // the same region as an object, taken once at most and overlapped by little: all three are wrong
            Equal(CocoEvaluator.Evaluate([truths[0], truths[1] with { IsCrowd = false }], detections, type).AP, 51 * 0.25 / 101);
        }
    }

    [Fact]
    public void An_object_is_preferred_to_a_crowd()
    {
        GroundTruthInstance[] truths = [Truth(1, 1, 0, 0, 100, 100) with { IsCrowd = true }, Truth(1, 1, 0, 0, 20, 20)];
        Equal(CocoEvaluator.Evaluate(truths, [Found(1, 1, 0, 0, 20, 18, 0.9)], IouType.Mask).AP50, 1); // overlaps the crowd by 1, the object by 0.9
    }

    [Fact]
    public void What_is_of_another_size_is_ignored_in_a_size_range()
    {
        GroundTruthInstance[] truths = [Truth(1, 1, 0, 0, 32, 32)]; // on the border: small and medium
        DetectedInstance[] detections = [Found(1, 1, 0, 0, 32, 32, 0.5), Found(1, 1, 100, 100, 97, 97, 0.9), Found(1, 1, 100, 0, 33, 33, 0.8)];
        var metrics = CocoEvaluator.Evaluate(truths, detections, IouType.Mask);
        Equal(metrics.AP, 1 / 3.0);
        Equal(metrics.APsmall, 1);
        Equal(metrics.APmedium, 0.5);
        Equal(metrics.APlarge, -1);
    }

    [Fact]
    public void The_annotated_area_decides_the_range_not_the_mask()
    {
        var metrics = CocoEvaluator.Evaluate([Truth(1, 1, 0, 0, 20, 20) with { Area = 5000 }], [Found(1, 1, 0, 0, 20, 20, 0.5)], IouType.Mask);
        Equal(metrics.APsmall, -1);
        Equal(metrics.APmedium, 1);
    }

    [Fact]
    public void Only_the_best_detections_of_an_image_count()
    {
        GroundTruthInstance[] truths = [Truth(1, 1, 0, 0, 20, 20), Truth(1, 1, 30, 0, 20, 20), Truth(1, 1, 60, 0, 20, 20)];
        DetectedInstance[] perfect = [.. truths.Select(truth => new DetectedInstance(1, 1, truth.Box, truth.Mask, 0.5))];
        var metrics = CocoEvaluator.Evaluate(truths, perfect, IouType.Box);
        Equal(metrics.AR1, 1 / 3.0);
        Equal(metrics.AR10, 1);

        var noise = Enumerable.Range(0, 100).Select(_ => Found(1, 1, 200, 200, 5, 5, 0.9)).ToArray();
        Equal(CocoEvaluator.Evaluate(truths, [.. perfect, .. noise], IouType.Box).AR100, 0);
        Equal(CocoEvaluator.Evaluate(truths, [.. perfect, .. noise[1..]], IouType.Box).AR100, 1 / 3.0);
    }

    [Fact]
    public void Of_equal_scores_the_first_given_comes_first()
    {
        GroundTruthInstance[] truths = [Truth(1, 1, 0, 0, 20, 20)];
        DetectedInstance right = Found(1, 1, 0, 0, 20, 20, 0.5), wrong = Found(1, 1, 100, 0, 20, 20, 0.5);
        Equal(CocoEvaluator.Evaluate(truths, [right, wrong], IouType.Box).AP, 1);
        Equal(CocoEvaluator.Evaluate(truths, [wrong, right], IouType.Box).AP, 0.5);
        // across images the image with the lower id comes first
        Equal(CocoEvaluator.Evaluate(truths, [wrong with { ImageId = 2 }, right], IouType.Box).AP, 1);
        Equal(CocoEvaluator.Evaluate(truths, [right, wrong with { ImageId = 0 }], IouType.Box).AP, 0.5);
    }

    [Fact]
    public void Nothing_to_find_is_undefined_and_nothing_found_is_zero()
    {
        Assert.All(CocoEvaluator.Evaluate([], [Found(1, 1, 0, 0, 20, 20, 0.5)], IouType.Box).Figures(), figure => Assert.Equal(-1, figure.Value));
        Assert.All(CocoEvaluator.Evaluate([], [], IouType.Mask).Figures(), figure => Assert.Equal(-1, figure.Value));
        var metrics = CocoEvaluator.Evaluate([Truth(1, 1, 0, 0, 20, 20)], [], IouType.Mask);
        Assert.Equal([0, 0, 0, 0, -1, -1, 0, 0, 0, 0, -1, -1], metrics.Figures().Select(figure => figure.Value));
        Assert.Contains("–", metrics.ToText(), StringComparison.Ordinal);
    }

    [Fact]
    public void Bad_instances_are_refused()
    {
        GroundTruthInstance[] truths = [Truth(1, 1, 0, 0, 20, 20)];
        var detection = Found(1, 1, 0, 0, 20, 20, 0.5);
        Refused("finite", truths, detection with { Score = double.NaN });
        Refused("finite", truths, detection with { Box = (0, 0, double.PositiveInfinity, 1) });
        Refused("not negative", truths, detection with { Box = (0, 0, -1, 1) });
        Refused("needs a mask", truths, detection with { Mask = null });
        Refused("needs a mask", [truths[0] with { Mask = null }], detection);
        Refused("30 × 40", truths, detection with { Mask = RleMask.Empty(30, 40) });

        static void Refused(string message, GroundTruthInstance[] truths, DetectedInstance detection) =>
            Assert.Contains(message, Assert.Throws<ArgumentException>(() => CocoEvaluator.Evaluate(truths, [detection], IouType.Mask)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Matched_iou_is_the_mean_over_the_found()
    {
        GroundTruthInstance[] truths = [Truth(1, 1, 0, 0, 20, 20), Truth(1, 1, 100, 0, 50, 50), Truth(1, 2, 0, 100, 20, 20), Truth(2, 2, 0, 0, 100, 100), Truth(1, 1, 200, 200, 50, 50) with { IsCrowd = true }];
        DetectedInstance[] detections =
        [
            Found(1, 1, 0, 0, 20, 18, 0.9), // 0.9
            Found(1, 1, 0, 0, 20, 20, 0.8), // comes too late
            Found(1, 1, 100, 0, 50, 30, 0.7), // 0.6
            Found(1, 1, 0, 100, 20, 20, 0.9), // of another class
            Found(1, 2, 0, 100, 20, 9, 0.9), // 0.45
            Found(2, 2, 0, 0, 100, 100, 0.5), // not above the score
            Found(1, 1, 200, 200, 50, 50, 0.9), // a crowd is no object
        ];
        var matched = MatchedIou.Compute(truths, detections);
        Equal(matched.MeanIou, (0.9 + 0.6) / 2);
        Equal(matched.MatchRate, 0.5);
        Assert.Equal((2, 4), (matched.Matches, matched.GroundTruths));

        var unsure = MatchedIou.Compute(truths, detections, minimumScore: 0.4);
        Equal(unsure.MeanIou, (0.9 + 0.6 + 1) / 3);
        Equal(unsure.MatchRate, 0.75);
        var strict = MatchedIou.Compute(truths, detections, threshold: 0.95);
        Equal(strict.MeanIou, 1);
        Equal(strict.MatchRate, 0.25);

        Assert.Equal(new MatchedIou(-1, -1, 0, 0), MatchedIou.Compute([], detections));
        Assert.Equal(new MatchedIou(-1, 0, 0, 4), MatchedIou.Compute(truths, []));
        Assert.Throws<ArgumentOutOfRangeException>(() => MatchedIou.Compute(truths, detections, threshold: 0));
        Assert.Throws<ArgumentException>(() => MatchedIou.Compute(truths, [detections[0] with { Score = double.NaN }]));
    }

    private static GroundTruthInstance Truth(long image, int category, int x, int y, int width, int height) =>
        new(image, category, (x, y, width, height), Rectangle(x, y, width, height), width * height);

    private static DetectedInstance Found(long image, int category, int x, int y, int width, int height, double score) =>
        new(image, category, (x, y, width, height), Rectangle(x, y, width, height), score);

    private static RleMask Rectangle(int x, int y, int width, int height) =>
        RleMask.FromPolygons([[x, y, x + width, y, x + width, y + height, x, y + height]], 300, 300);

    private static void Equal(double actual, double expected) => Assert.Equal(expected, actual, Tolerance);
}
