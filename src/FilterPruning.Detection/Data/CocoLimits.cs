namespace FilterPruning.Detection.Data;

/// <summary>What is taken at most from COCO's json files. The defaults leave room for the largest published data sets; a file beyond them is refused with both numbers.</summary>
public sealed record CocoLimits
{
    /// <summary>Bytes of a json file. Default 4 GiB. Reading takes about ten times a file's size in memory.</summary>
    public long FileBytes { get; init; } = 4L << 30;

    /// <summary>Images of a file. Default 5,000,000.</summary>
    public int Images { get; init; } = 5_000_000;

    /// <summary>Annotations, or detections of a results file. Default 50,000,000.</summary>
    public int Annotations { get; init; } = 50_000_000;

    /// <summary>Categories of a file. Default 10,000.</summary>
    public int Categories { get; init; } = 10_000;

    /// <summary>Points of all polygons of one object. Default 1,000,000.</summary>
    public int PointsPerObject { get; init; } = 1_000_000;

    /// <summary>Characters of the name of an image's file or of a category. Default 4,096.</summary>
    public int NameLength { get; init; } = 4_096;

    /// <summary>Pixels that an image is said to have. Default 2²⁶, as <see cref="ImageFile.MaxPixels"/>.</summary>
    public long PixelsPerImage { get; init; } = ImageFile.MaxPixels;

    /// <summary>
    /// Bytes of the masks of one sample: a byte for each pixel and object. Default 2³¹ − 1. An outline of a few bytes on a large image takes as much memory as the image has pixels.
    /// </summary>
    public long MaskBytes { get; init; } = int.MaxValue;
}
