using FilterPruning.Detection.Data;
using FilterPruning.Detection.Evaluation;
using FilterPruning.Fuzz.Core;

namespace FilterPruning.Fuzz.Detection;

/// <summary>COCO results: a JSON list of detections on the images of a ground truth.</summary>
internal sealed class CocoResultsTarget : JsonTarget
{
    private static readonly CocoLimits Limits = new() { PointsPerObject = 500 };

    private readonly CocoGroundTruth _truth = CocoGroundTruth.Of(CocoIndex.Of(
        "truth", CocoJson.Read(new MemoryStream(System.Text.Encoding.UTF8.GetBytes(CocoTarget.Annotations)), "truth", CocoJson.Default.CocoFile), Limits));

    public override string Name => "coco-results";

    public override double BytesPerByte => 400;

    public override long FreeBytes => 4 << 20;

    public override IEnumerable<byte[]> Seeds() =>
    [
        """
        [{"image_id":1,"category_id":7,"bbox":[1,2,3,4.5],"score":0.9},
        {"image_id":2,"category_id":1,"segmentation":{"size":[5,5],"counts":"34b0"},"score":0.25},
        {"image_id":1,"category_id":1,"segmentation":[[1,2,11.5,2,11.5,10]],"score":1e-3}]
        """u8.ToArray(),
    ];

    public override long Read(byte[] input)
    {
        CocoResults.Of("fuzz", CocoJson.Read(new MemoryStream(input), "fuzz", CocoJson.Default.ListCocoResult), _truth, Limits);
        return 0;
    }
}
