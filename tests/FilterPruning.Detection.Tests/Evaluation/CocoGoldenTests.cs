using FilterPruning.Detection.Evaluation;

namespace FilterPruning.Detection.Tests.Evaluation;

// Random scenes with equal scores, crowds, doubles, images without objects, a class without any, and over 100 detections of a class on one image.
public sealed class CocoGoldenTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("golden").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(IouType.Box, "bbox")]
    [InlineData(IouType.Mask, "segm")]
    public void Figures_are_those_of_the_reference(IouType type, string name)
    {
        using var golden = GoldenFile.Open("coco_eval.json");
        var (truth, detections) = Read(golden.RootElement);
        Assert.All(golden.RootElement.GetProperty(name).EnumerateArray().Zip(CocoEvaluator.Evaluate(truth.Instances, detections, type).Figures()),
            pair => Assert.Equal(pair.First.GetDouble(), pair.Second.Value, 1e-11));
    }

    [Fact]
    public void The_order_of_the_annotations_decides_nothing_but_ties()
    {
        using var golden = GoldenFile.Open("coco_eval.json");
        var (truth, detections) = Read(golden.RootElement);
        var distinct = detections.Select((detection, i) => detection with { Score = detection.Score + i * 1e-6 }).ToArray();
        var expected = CocoEvaluator.Evaluate(truth.Instances, distinct, IouType.Mask);
        var shuffled = CocoEvaluator.Evaluate([.. truth.Instances.Reverse()], [.. distinct.Reverse()], IouType.Mask);
        Assert.Equal(expected.Figures(), shuffled.Figures());
    }

    private (CocoGroundTruth Truth, IReadOnlyList<DetectedInstance> Detections) Read(System.Text.Json.JsonElement golden)
    {
        var truth = Write("truth");
        var results = Write("results");
        var read = CocoGroundTruth.Read(truth);
        return (read, CocoResults.Read(results, read));

        string Write(string name)
        {
            var path = Path.Combine(_folder, name + ".json");
            File.WriteAllText(path, golden.GetProperty(name).GetRawText());
            return path;
        }
    }
}
