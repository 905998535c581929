using FilterPruning.Storage;
using SkiaSharp;

namespace FilterPruning.Detection.Data;

/// <summary>Reads and writes images as tensors: float32 <c>[3, H, W]</c>, RGB, 0 … 1.</summary>
public static class ImageFile
{
    /// <summary>The most pixels (width × height) an image may have: 2²⁶, about 8192 × 8192. A header can claim any size; this is checked before memory is taken for it.</summary>
    public const long MaxPixels = 1L << 26;

    /// <summary>Reads a PNG or JPEG file (and what else SkiaSharp decodes), turned upright as its EXIF orientation says. Transparent pixels are laid over black.</summary>
    /// <param name="path">The file.</param>
    /// <returns>float32 <c>[3, H, W]</c> on the CPU, RGB, multiples of 1/255 in 0 … 1; the caller's.</returns>
    /// <exception cref="ImageException">The file is missing, cannot be read, is no image, is damaged or cut short, or has more than <see cref="MaxPixels"/> pixels.</exception>
    public static Tensor Load(string path)
    {
        using var bitmap = Decode(path, SKColorType.Rgba8888);
        return ImagePixels.ToTensor(bitmap);
    }

    /// <summary>Writes a tensor as a PNG file with 8 bits a channel; values outside 0 … 1 are limited. Written beside the target and then renamed, so that no half file is left.</summary>
    /// <param name="image">float32 <c>[3, H, W]</c>, RGB, 0 … 1, on any device.</param>
    /// <param name="path">The file; one that exists is replaced.</param>
    /// <exception cref="ArgumentException">The tensor has another shape or type.</exception>
    /// <exception cref="ImageException">The file cannot be written.</exception>
    public static void SavePng(Tensor image, string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var bytes = EncodePng(image);
        try
        {
            AtomicFile.WriteBytes(path, bytes);
        }
        catch (ModelFileException error)
        {
            throw new ImageException($"The image cannot be written to {error.Message}", error);
        }
    }

    /// <summary>Encodes a tensor as PNG with 8 bits a channel; values outside 0 … 1 are limited.</summary>
    /// <param name="image">float32 <c>[3, H, W]</c>, RGB, 0 … 1, on any device.</param>
    /// <exception cref="ArgumentException">The tensor has another shape or type.</exception>
    public static byte[] EncodePng(Tensor image)
    {
        using var bitmap = ImagePixels.ToBitmap(image, nameof(image));
        return ImagePixels.EncodePng(bitmap);
    }

    /// <summary>Decodes a PNG or JPEG from memory, as <see cref="Load"/> does from a file.</summary>
    /// <param name="bytes">The file's content.</param>
    /// <exception cref="ImageException">The bytes are no image, damaged or cut short, or the image has more than <see cref="MaxPixels"/> pixels.</exception>
    public static Tensor Decode(byte[] bytes)
    {
        ArgumentNullException.ThrowIfNull(bytes);
        using var bitmap = Decode(bytes, "the given bytes", SKColorType.Rgba8888);
        return ImagePixels.ToTensor(bitmap);
    }

    /// <summary>Reads the grey values of a mask: <c>[H, W]</c> row-major, 0 … 255 as stored. Only 8-bit grey files are taken: in others the stored numbers are lost in decoding.</summary>
    internal static (byte[] Values, int Width, int Height) LoadGrey(string path)
    {
        using var bitmap = Decode(path, SKColorType.Gray8);
        var values = new byte[bitmap.Width * bitmap.Height];
        for (var y = 0; y < bitmap.Height; y++)
            bitmap.GetPixelSpan().Slice(y * bitmap.RowBytes, bitmap.Width).CopyTo(values.AsSpan(y * bitmap.Width));
        return (values, bitmap.Width, bitmap.Height);
    }

    private static SKBitmap Decode(string path, SKColorType colours)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        byte[] bytes;
        try
        {
            bytes = File.ReadAllBytes(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            var reason = error is FileNotFoundException or DirectoryNotFoundException ? "there is no such file" : error.Message;
            throw new ImageException($"The image '{path}' cannot be read: {reason}. Check the path.", error);
        }

        return Decode(bytes, $"'{path}'", colours);
    }

    private static SKBitmap Decode(byte[] bytes, string name, SKColorType colours)
    {
        using var data = SKData.CreateCopy(bytes);
        using var codec = SKCodec.Create(data)
            ?? throw new ImageException($"The image {name} cannot be read: its {bytes.Length} bytes are not in a known format. Give a PNG or JPEG file.");
        var (width, height) = (codec.Info.Width, codec.Info.Height);
        if (colours == SKColorType.Gray8 && codec.Info.ColorType != SKColorType.Gray8)
            throw new ImageException($"The mask {name} is stored as {codec.Info.ColorType}; 8-bit grey is needed, the object's number in each pixel. Convert it (a palette to its indices).");
        if ((long)width * height > MaxPixels)
            throw new ImageException($"The image {name} is too large: {width} × {height} pixels, at most {MaxPixels} are allowed. Make it smaller first.");

        var bitmap = new SKBitmap(new SKImageInfo(width, height, colours, colours == SKColorType.Gray8 ? SKAlphaType.Opaque : SKAlphaType.Premul));
        var result = codec.GetPixels(bitmap.Info, bitmap.GetPixels());
        if (result != SKCodecResult.Success)
        {
            bitmap.Dispose();
            throw new ImageException($"The image {name} is damaged or cut short ({result}). Fetch or write it again.");
        }

        return ImagePixels.Upright(bitmap, codec.EncodedOrigin);
    }
}
