namespace FilterPruning.Detection.Data;

/// <summary>What <see cref="ImageFile"/> takes at most. Everything is checked against the image's header before memory is taken for its pixels.</summary>
public sealed record ImageLimits
{
    /// <summary>Bytes of the file. Default 512 MiB.</summary>
    public long FileBytes { get; init; } = 512L << 20;

    /// <summary>Pixels, width × height. Default, and the most there may be: <see cref="ImageFile.MaxPixels"/>. A decoded image takes 16 bytes a pixel while it is read and 12 afterwards.</summary>
    public long Pixels { get; init; } = ImageFile.MaxPixels;

    /// <summary>
    /// Pixels for each byte of the file, of images with more than 2²² pixels (2048 × 2048). Default 1,100: an 8-bit grey PNG of one value has about 1,030, photographs have fewer than 100.
    /// </summary>
    public double PixelsPerByte { get; init; } = 1_100;

    /// <summary>Scans of a JPEG file, each of which may go over every pixel. Default 200; encoders make 10 or so.</summary>
    public int JpegScans { get; init; } = 200;
}
