using FilterPruning.Detection.Data;
using FilterPruning.Detection.Evaluation;
using FilterPruning.Fuzz.Core;

namespace FilterPruning.Fuzz.Detection;

/// <summary>COCO annotations: the JSON, its checks, and a mask of every segmentation.</summary>
internal sealed class CocoTarget : JsonTarget
{
    public const string Annotations =
        """
        {"images":[{"id":1,"file_name":"a.png","height":20,"width":30},{"id":2,"file_name":"b.png","height":5,"width":5}],
        "categories":[{"id":1,"name":"cat"},{"id":7,"name":"dog"}],
        "annotations":[{"id":1,"image_id":1,"category_id":7,"bbox":[1,2,10.5,8],"area":80,"iscrowd":0,"segmentation":[[1,2,11.5,2,11.5,10,1,10],[3,3,4,3,4,9]]},
        {"id":2,"image_id":2,"category_id":1,"iscrowd":1,"segmentation":{"size":[5,5],"counts":[3,4,18]}},
        {"id":3,"image_id":2,"category_id":1,"segmentation":{"size":[5,5],"counts":"34b0"}},
        {"id":4,"image_id":1,"category_id":1,"bbox":[0,0,3,3]}]}
        """;

    // Small images, so that a run is about the reader and not about walking over pixels.
    private static readonly CocoLimits Limits = new() { PixelsPerImage = 1 << 16, PointsPerObject = 500 };

    public override string Name => "coco";

    public override double BytesPerByte => 400;

    public override long FreeBytes => 4 << 20;

    public override IEnumerable<byte[]> Seeds() => [System.Text.Encoding.UTF8.GetBytes(Annotations)];

    public override long Read(byte[] input)
    {
        var index = CocoIndex.Of("fuzz", CocoJson.Read(new MemoryStream(input), "fuzz", CocoJson.Default.CocoFile), Limits);
        var truth = CocoGroundTruth.Of(index);
        foreach (var instance in truth.Instances)
            instance.Mask?.BoundingBox();
        return 0;
    }
}
