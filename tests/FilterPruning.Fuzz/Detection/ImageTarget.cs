using FilterPruning.Detection.Data;
using FilterPruning.Fuzz.Engine;

namespace FilterPruning.Fuzz.Detection;

/// <summary>Images: PNG, JPEG, WebP, GIF and BMP from memory. The limit on pixels is low, so that a run is about the file and not about its pixels.</summary>
internal sealed class ImageTarget : ReaderTarget
{
    private const int MostPixels = 1 << 14;
    private static readonly ImageLimits Limits = new() { Pixels = MostPixels };

    public override string Name => "image";

    public override double BytesPerByte => 8;

    // The bitmap, one more where it is turned, the tensor, and what the codecs take for themselves.
    public override long FreeBytes => (40 * MostPixels) + (1 << 20);

    public override IReadOnlyList<byte[]> Words { get; } =
    [
        "IHDR"u8.ToArray(), "IDAT"u8.ToArray(), "PLTE"u8.ToArray(), "tRNS"u8.ToArray(), "iCCP"u8.ToArray(), "eXIf"u8.ToArray(), "IEND"u8.ToArray(), [0xff, 0xd8], [0xff, 0xda], [0xff, 0xc0], [0xff, 0xc2], [0xff, 0xc4],
        [0xff, 0xe1], [0xff, 0xd9], "Exif\0\0"u8.ToArray(), "VP8L"u8.ToArray(), "VP8X"u8.ToArray(), "GIF89a"u8.ToArray(),
    ];

    public override IEnumerable<byte[]> Seeds()
    {
        yield return Png.Make(3, 2, 8, 2, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        yield return Png.Make(4, 2, 8, 0, [0, 1, 2, 3, 4, 0, 5, 6, 7, 8]);
        yield return Png.Make(8, 1, 1, 0, [0, 0xaa]);
        yield return Png.Make(100_000, 100_000, 8, 2, [0]);
        foreach (var format in new[] { SkiaSharp.SKEncodedImageFormat.Jpeg, SkiaSharp.SKEncodedImageFormat.Webp })
        {
            using var bitmap = new SkiaSharp.SKBitmap(17, 9);
            using var data = bitmap.Encode(format, 80);
            yield return data.ToArray();
        }

        // A bitmap of two by one pixels, and a GIF of one.
        yield return [.. "BM"u8, 62, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0, 40, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 24, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 0, 0];
        yield return [.. "GIF89a"u8, 1, 0, 1, 0, 0x80, 0, 0, 0, 0, 0, 255, 255, 255, 0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0, 0x3b];
    }

    public override long Read(byte[] input)
    {
        using var image = ImageFile.Decode(input, Limits);
        if (image.shape is not [3, > 0, > 0])
            throw new InvalidDataException($"The image is [{string.Join(", ", image.shape)}].");
        return 2 * image.numel() * image.ElementSize;
    }

    public override byte[] Repair(byte[] input, Mutator mutator) => input.AsSpan().StartsWith<byte>([0x89, (byte)'P']) ? Png.Repaired(input, mutator) : input;
}
