using System.Text.Json;
using FilterPruning.Detection.Models;

namespace FilterPruning.Detection.Tests.ModelTests;

/// <summary>One file of tests/fixtures/parity: torchvision's numbers of one case.</summary>
internal sealed record ParityFixture
{
    public required string Backbone { get; init; }

    public required string Norm { get; init; }

    public required int Classes { get; init; }

    public required string Salt { get; init; }

    public required Dictionary<string, double> Options { get; init; }

    public required int[][] ImageSizes { get; init; }

    public required int[][][] Objects { get; init; }

    public required int[][] Sizes { get; init; }

    public required Sampled Batch { get; init; }

    public required Sampled[] Features { get; init; }

    public required Sampled[] Objectness { get; init; }

    public required Sampled[] AnchorDeltas { get; init; }

    public required float[][][] Proposals { get; init; }

    public required Sampled ClassLogits { get; init; }

    public required Sampled BoxDeltas { get; init; }

    public required Sampled MaskLogits { get; init; }

    public required Found[] Detections { get; init; }

    public required Dictionary<string, double> Losses { get; init; }

    public required Dictionary<string, Sampled> Gradients { get; init; }

    public required Dictionary<string, Sampled> Running { get; init; }

    public static string Folder { get; } = FindFolder();

    public static ParityFixture Read(string name)
    {
        using var file = File.OpenRead(Path.Combine(Folder, name + ".json"));
        return JsonSerializer.Deserialize<ParityFixture>(file, JsonSerializerOptions.Web)!;
    }

    /// <summary>The same model, with the formula's weights.</summary>
    public MaskRcnnModel Build()
    {
        var model = MaskRcnn.Create($"maskrcnn_{Backbone}_fpn", Classes, new MaskRcnnOptions
        {
            Norm = Norm == "live" ? BackboneNorm.Live : BackboneNorm.Frozen,
            TrainableLayers = Norm == "live" ? 5 : 3,
            MinSize = (int)Options["min_size"],
            MaxSize = (int)Options["max_size"],
            RpnPreNmsTopNTrain = (int)Options["rpn_pre_nms_top_n_train"],
            RpnPreNmsTopNTest = (int)Options["rpn_pre_nms_top_n_test"],
            RpnPostNmsTopNTrain = (int)Options["rpn_post_nms_top_n_train"],
            RpnPostNmsTopNTest = (int)Options["rpn_post_nms_top_n_test"],
            RpnBatchSizePerImage = (int)Options["rpn_batch_size_per_image"],
            BoxBatchSizePerImage = (int)Options["box_batch_size_per_image"],
            BoxPositiveFraction = Options["box_positive_fraction"],
            BoxScoreThresh = Options["box_score_thresh"],
            BoxDetectionsPerImage = (int)Options["box_detections_per_img"],
        });
        ParityFormula.Fill(model, Salt, basic: Backbone == "resnet18");
        model.eval();
        return model;
    }

    public Tensor[] Images() => [.. ImageSizes.Select((size, i) => ParityFormula.Image(i, size[0], size[1]))];

    public Target[] Targets() => [.. Objects.Select((objects, i) => ParityFormula.Target(objects, ImageSizes[i][0], ImageSizes[i][1]))];

    // Tests run below the repository, whatever it is called.
    private static string FindFolder()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var path = Path.Combine(folder.FullName, "tests", "fixtures", "parity");
            if (Directory.Exists(path))
                return path;
        }

        throw new DirectoryNotFoundException("There is no folder tests/fixtures/parity above " + AppContext.BaseDirectory);
    }

    /// <summary>A few values of a tensor. <c>Magnitude</c>, the mean of all absolute values, is what relative tolerances are relative to.</summary>
    public sealed record Sampled(long[] Shape, long[] Index, double[] Values, double Mean, double Magnitude)
    {
        /// <summary>For gradients: the largest difference between torchvision in float32 and in float64, in units of the magnitude.</summary>
        public double Drift { get; init; }

        public void Check(Tensor actual, double tolerance, string what)
        {
            using var scope = NewDisposeScope();
            Assert.Equal(Shape, actual.shape);
            var values = actual.detach().reshape(-1).to(float64);
            var picked = values.index_select(0, tensor(Index)).data<double>().ToArray();
            for (var i = 0; i < picked.Length; i++)
                Assert.True(Math.Abs(picked[i] - Values[i]) <= tolerance * Magnitude, $"{what}[{Index[i]}] is {picked[i]}, torchvision has {Values[i]}; magnitude {Magnitude}");
            Assert.True(Math.Abs(values.mean().item<double>() - Mean) <= tolerance * Magnitude, $"the mean of {what} is {values.mean().item<double>()}, torchvision has {Mean}");
        }
    }

    public sealed record Found(float[][] Boxes, long[] Labels, float[] Scores, Sampled[] Masks);
}
