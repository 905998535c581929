using System.Text.Json;
using FilterPruning.Detection.Data;
using FilterPruning.Detection.Evaluation;
using FilterPruning.Detection.Models;
using Answered = FilterPruning.Detection.Models.Detection;

namespace FilterPruning.Detection.Tests.Evaluation;

public class DetectionEvaluatorTests
{
    [Fact]
    public void A_detector_that_copies_the_truth_is_perfect()
    {
        var result = DetectionEvaluator.Evaluate(Copy, new Squares());
        Assert.Equal((1.0, 1.0, 1.0, 1.0), (result.Box.AP, result.Mask.AP, result.IouAt50, result.MatchRate));
        Assert.Equal((3, 3, 3), (result.Images, result.Instances, result.Detections));
        Assert.Equal([(1, 2), (2, 1)], result.Mask.Categories.Select(category => (category.Category, category.GroundTruths)));
    }

    [Fact]
    public void Masks_count_from_above_the_threshold()
    {
        // inside 0.6, around 0.5: at 0.5 the square, at 0.4 the whole image of 8 × 8
        static IReadOnlyList<Answered> Vague(IReadOnlyList<Tensor> images) => Answer(images, square => 0.5f + 0.1f * square);
        Assert.Equal(1, DetectionEvaluator.Evaluate(Vague, new Squares()).Mask.AP);
        var loose = DetectionEvaluator.Evaluate(Vague, new Squares(), new EvaluationOptions { MaskThreshold = 0.4 });
        Assert.Equal((0.0, 1.0), (loose.Mask.AP, loose.Box.AP));
        Assert.Equal((-1.0, 0.0), (loose.IouAt50, loose.MatchRate));
    }

    [Fact]
    public void Batches_and_ranges_change_only_what_they_say()
    {
        var sizes = new List<int>();
        var progress = new List<EvaluationProgress>();
        IReadOnlyList<Answered> Counted(IReadOnlyList<Tensor> images)
        {
            sizes.Add(images.Count);
            return Copy(images);
        }

        var one = DetectionEvaluator.Evaluate(Copy, new Squares());
        var two = DetectionEvaluator.Evaluate(Counted, new Squares(), new EvaluationOptions { BatchSize = 2 }, new Immediate(progress));
        Assert.Equal(one.ToJson(), two.ToJson());
        Assert.Equal([2, 1], sizes);
        Assert.Equal([new(2, 3, 2), new(3, 3, 3)], progress);

        var last = DetectionEvaluator.Evaluate(Copy, new Squares(), new EvaluationOptions { Images = ^1.. });
        Assert.Equal((1, 1, 2), (last.Images, last.Instances, Assert.Single(last.Box.Categories).Category));
        var error = Assert.Throws<ArgumentException>(() => DetectionEvaluator.Evaluate(Copy, new Squares(), new EvaluationOptions { Images = 2..5 }));
        Assert.Contains("2..5", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Json_has_the_names_of_the_command_line_and_text_names_the_classes()
    {
        var result = DetectionEvaluator.Evaluate(Copy, new Squares());
        using var json = JsonDocument.Parse(result.ToJson());
        foreach (var kind in new[] { "box", "mask" })
        {
            foreach (var (name, value) in result.Box.Figures())
                Assert.Equal(value, json.RootElement.GetProperty(kind).GetProperty(name).GetDouble());
        }

        Assert.Equal(1, json.RootElement.GetProperty("iouAt50").GetDouble());
        Assert.Equal(1, json.RootElement.GetProperty("matchRate").GetDouble());
        Assert.Equal(3, json.RootElement.GetProperty("images").GetInt32());
        Assert.Contains("squares: 3 images, 3 objects, 3 detections", result.ToText(), StringComparison.Ordinal);
        Assert.Contains("white        2    1.0000    1.0000    1.0000    1.0000", result.ToText(), StringComparison.Ordinal);
    }

    [Fact]
    public void Answers_of_another_form_are_refused()
    {
        Refused("gave 0 answers for 1 images", _ => []);
        Refused("class 3, but the data set has classes 1 … 2", images => Change(Copy(images), d => d with { Labels = d.Labels + 2 }));
        Refused("[N, 1, 8, 8]", images => Change(Copy(images), d => d with { Masks = d.Masks[.., 0] }));
        Refused("[N, 1, 8, 8]", images => Change(Copy(images), d => d with { Masks = d.Masks[.., .., ..4] }));
        Refused("scores [2]", images => Change(Copy(images), d => d with { Scores = ones(2) }));

        static void Refused(string message, Func<IReadOnlyList<Tensor>, IReadOnlyList<Answered>> detect) =>
            Assert.Contains(message, Assert.Throws<PruningException>(() => DetectionEvaluator.Evaluate(detect, new Squares())).Message, StringComparison.Ordinal);
        static Answered[] Change(IReadOnlyList<Answered> answers, Func<Answered, Answered> change) => [.. answers.Select(change)];
    }

    [Fact]
    public void All_wrong_options_are_named_at_once()
    {
        var options = new EvaluationOptions { BatchSize = 0, MaskThreshold = 2, MatchIou = 0, MatchScore = double.NaN };
        var error = Assert.Throws<ArgumentException>(() => DetectionEvaluator.Evaluate(Copy, new Squares(), options));
        Assert.All(["BatchSize is 0", "MaskThreshold is 2", "MatchIou is 0", "MatchScore"], part => Assert.Contains(part, error.Message, StringComparison.Ordinal));
    }

    [Fact]
    public void It_can_be_cancelled_and_nothing_leaks()
    {
        using var cancellation = new CancellationTokenSource();
        DetectionEvaluator.Evaluate(Copy, new Squares());
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        DetectionEvaluator.Evaluate(Copy, new Squares(), new EvaluationOptions { BatchSize = 2 });
        Assert.Throws<OperationCanceledException>(() => DetectionEvaluator.Evaluate(images =>
        {
            cancellation.Cancel();
            return Copy(images);
        }, new Squares(), cancellation: cancellation.Token));
        Assert.Throws<InvalidOperationException>(() => DetectionEvaluator.Evaluate(_ => throw new InvalidOperationException(), new Squares()));
        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    [Fact]
    public void Annotations_go_before_targets_where_there_are_any()
    {
        var annotated = new AnnotatedSquares();
        var result = DetectionEvaluator.Evaluate(Copy, annotated);
        Assert.Equal((1.0, -1.0), (result.Mask.APmedium, result.Mask.APsmall));
        var part = DetectionEvaluator.Evaluate(Copy, annotated.Take(2));
        Assert.Equal((1.0, -1.0, 2), (part.Mask.APmedium, part.Mask.APsmall, part.Images));
    }

    [Fact]
    public void A_model_is_evaluated_and_left_in_its_mode()
    {
        using var model = MaskRcnn.ResNet18Fpn(3, ModelTests.Small.Options);
        model.train();
        var quiet = model.modules().ElementAt(3);
        quiet.eval();
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        var result = DetectionEvaluator.Evaluate(model, new Squares(), new EvaluationOptions { Images = ..2 });
        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
        Assert.Equal((2, 2), (result.Images, result.Instances));
        Assert.True(model.training);
        Assert.All(model.modules(), module => Assert.Equal(!quiet.modules().Prepend(quiet).Contains(module), module.training));

        using var other = MaskRcnn.ResNet18Fpn(4, ModelTests.Small.Options);
        var error = Assert.Throws<ArgumentException>(() => DetectionEvaluator.Evaluate(other, new Squares()));
        Assert.Contains("4 classes, but the data set 'squares' has 2", error.Message, StringComparison.Ordinal);
    }

    private static IReadOnlyList<Answered> Copy(IReadOnlyList<Tensor> images) => Answer(images, square => square);

    // The squares are the only light on the images: class 1 white, class 2 grey.
    private static Answered[] Answer(IReadOnlyList<Tensor> images, Func<Tensor, Tensor> toMask) => [.. images.Select(image =>
    {
        using var scope = NewDisposeScope();
        var square = image[0].gt(0).to(ScalarType.Float32); // [H, W]
        var places = square.nonzero();
        var (low, high) = (places.amin([0]), places.amax([0]) + 1);
        return new Answered(
            stack([low[1], low[0], high[1], high[0]]).to(ScalarType.Float32).unsqueeze(0).MoveToOuterDisposeScope(),
            tensor(new[] { image.max().item<float>() > 0.9f ? 1L : 2L }).MoveToOuterDisposeScope(),
            tensor(new[] { 0.9f }).MoveToOuterDisposeScope(),
            toMask(square).unsqueeze(0).unsqueeze(0).MoveToOuterDisposeScope());
    })];

    private sealed class Immediate(List<EvaluationProgress> reports) : IProgress<EvaluationProgress>
    {
        public void Report(EvaluationProgress value) => reports.Add(value);
    }

    /// <summary>Three images of 8 × 8 with a square of 2, 3 and 4 pixels, the first two white, the last grey.</summary>
    private class Squares : IDetectionDataset
    {
        public string Name => "squares";

        public IReadOnlyList<string> ClassNames => ["white", "grey"];

        public int Count => 3;

        public DetectionSample Load(int index)
        {
            using var scope = NewDisposeScope();
            var side = index + 2;
            var masks = zeros(1, 8, 8, dtype: ScalarType.Byte);
            masks[0, 1..(1 + side), 2..(2 + side)] = 1;
            var image = masks.to(ScalarType.Float32).expand(3, 8, 8) * (index < 2 ? 1 : 0.5f);
            var target = new Target(tensor(new float[,] { { 2, 1, 2 + side, 1 + side } }).MoveToOuterDisposeScope(), tensor(new[] { index < 2 ? 1L : 2L }).MoveToOuterDisposeScope(), masks.MoveToOuterDisposeScope());
            return new DetectionSample(index, image.MoveToOuterDisposeScope(), target);
        }
    }

    private sealed class AnnotatedSquares : Squares, IGroundTruthSource
    {
        public IReadOnlyList<GroundTruthInstance>? GroundTruth(int index)
        {
            using var sample = Load(index);
            return [.. InstanceConverter.FromSample(sample).Select(instance => instance with { Area = 2000 })];
        }
    }
}
