using System.Text.Json;
using FilterPruning.Detection.Evaluation;

namespace FilterPruning.Detection.Tests.Evaluation;

public class CocoReferenceTests
{
    // The reference sums in numpy's order; 60,600 additions of numbers up to 1 cannot differ by more than this.
    private const double Tolerance = 1e-11;

    [Theory]
    [InlineData(IouType.Box, "bbox")]
    [InlineData(IouType.Mask, "segm")]
    public void The_official_figures_come_out(IouType type, string name)
    {
        var folder = DevelopmentData.Path("cocoeval_reference");
        var truth = CocoGroundTruth.Read(Path.Combine(folder, "instances_val2014_100.json"));
        var detections = CocoResults.Read(Path.Combine(folder, $"instances_val2014_fake{name}100_results.json"), truth);
        using var expected = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "expected_stats.json")));
        var figures = CocoEvaluator.Evaluate(truth.Instances, detections, type).Figures();
        Assert.All(expected.RootElement.GetProperty(name).EnumerateArray().Zip(figures), pair => Assert.Equal(pair.First.GetDouble(), pair.Second.Value, Tolerance));
    }
}
