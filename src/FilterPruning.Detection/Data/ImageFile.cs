using FilterPruning.Storage;
using SkiaSharp;

namespace FilterPruning.Detection.Data;

/// <summary>Reads and writes images as tensors: float32 <c>[3, H, W]</c>, RGB, 0 … 1.</summary>
public static class ImageFile
{
    /// <summary>The most pixels (width × height) an image may have: 2²⁶, about 8192 × 8192. A header can claim any size; this is checked before memory is taken for it.</summary>
    public const long MaxPixels = 1L << 26;

    /// <summary>An image of at most so many pixels may be of one colour, whatever its file's size.</summary>
    private const long SmallImage = 1L << 22;

    /// <summary>Reads a PNG or JPEG file (or WebP, BMP or GIF, of which the first frame), turned upright as its EXIF orientation says. Transparent pixels are laid over black.</summary>
    /// <param name="path">The file.</param>
    /// <returns>float32 <c>[3, H, W]</c> on the CPU, RGB, multiples of 1/255 in 0 … 1; the caller's.</returns>
    /// <exception cref="ImageException">The file is missing, cannot be read, is no image, is damaged or cut short, or has more than <see cref="MaxPixels"/> pixels.</exception>
    public static Tensor Load(string path) => Load(path, new ImageLimits());

    /// <summary>Reads a file with other limits than the usual ones.</summary>
    /// <param name="path">The file.</param>
    /// <param name="limits">What is taken at most.</param>
    /// <returns>As <see cref="Load(string)"/>.</returns>
    /// <exception cref="ImageException">As for <see cref="Load(string)"/>.</exception>
    public static Tensor Load(string path, ImageLimits limits)
    {
        ArgumentNullException.ThrowIfNull(limits);
        using var bitmap = Decode(path, SKColorType.Rgba8888, limits);
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

    /// <summary>Decodes a PNG or JPEG from memory, as <see cref="Load(string)"/> does from a file.</summary>
    /// <param name="bytes">The file's content.</param>
    /// <exception cref="ImageException">The bytes are no image, damaged or cut short, or the image has more than <see cref="MaxPixels"/> pixels.</exception>
    public static Tensor Decode(byte[] bytes) => Decode(bytes, new ImageLimits());

    /// <summary>Decodes an image from memory with other limits than the usual ones.</summary>
    /// <param name="bytes">The file's content.</param>
    /// <param name="limits">What is taken at most.</param>
    /// <exception cref="ImageException">As for <see cref="Decode(byte[])"/>.</exception>
    public static Tensor Decode(byte[] bytes, ImageLimits limits)
    {
        ArgumentNullException.ThrowIfNull(bytes);
        ArgumentNullException.ThrowIfNull(limits);
        if (bytes.Length > limits.FileBytes)
            throw TooManyBytes("the given bytes", bytes.Length, limits);
        using var bitmap = Decode(bytes, "the given bytes", SKColorType.Rgba8888, limits);
        return ImagePixels.ToTensor(bitmap);
    }

    /// <summary>Reads the grey values of a mask: <c>[H, W]</c> row-major, 0 … 255 as stored. Only 8-bit grey files are taken: in others the stored numbers are lost in decoding.</summary>
    internal static (byte[] Values, int Width, int Height) LoadGrey(string path)
    {
        using var bitmap = Decode(path, SKColorType.Gray8, new ImageLimits());
        return Grey(bitmap);
    }

    /// <summary>As <see cref="LoadGrey(string)"/>, from memory.</summary>
    internal static (byte[] Values, int Width, int Height) DecodeGrey(byte[] bytes, string name)
    {
        using var bitmap = Decode(bytes, name, SKColorType.Gray8, new ImageLimits());
        return Grey(bitmap);
    }

    private static (byte[] Values, int Width, int Height) Grey(SKBitmap bitmap)
    {
        var values = new byte[bitmap.Width * bitmap.Height];
        for (var y = 0; y < bitmap.Height; y++)
            bitmap.GetPixelSpan().Slice(y * bitmap.RowBytes, bitmap.Width).CopyTo(values.AsSpan(y * bitmap.Width));
        return (values, bitmap.Width, bitmap.Height);
    }

    private static SKBitmap Decode(string path, SKColorType colours, ImageLimits limits)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        byte[] bytes;
        try
        {
            // Named pipes and devices have the length 0; opening or reading one may never end.
            var length = new FileInfo(path).Length;
            if (length > limits.FileBytes)
                throw TooManyBytes($"'{path}'", length, limits);
            bytes = length == 0 ? [] : File.ReadAllBytes(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            var reason = error is FileNotFoundException or DirectoryNotFoundException ? "there is no such file" : error.Message;
            throw new ImageException($"The image '{path}' cannot be read: {reason}. Check the path.", error);
        }

        return Decode(bytes, $"'{path}'", colours, limits);
    }

    private static SKBitmap Decode(byte[] bytes, string name, SKColorType colours, ImageLimits limits)
    {
        // Decoders of rare formats are the least tried ones; they never see a byte.
        if (!IsKnownFormat(bytes))
            throw new ImageException($"The image {name} cannot be read: its {bytes.Length} bytes are not in a known format. Give a PNG or JPEG file.");
        CheckScans(bytes, name, limits);
        using var data = SKData.CreateCopy(bytes);
        using var codec = SKCodec.Create(data)
            ?? throw new ImageException($"The image {name} cannot be read: its {bytes.Length} bytes are not in a known format. Give a PNG or JPEG file.");
        var (width, height) = (codec.Info.Width, codec.Info.Height);
        if (colours == SKColorType.Gray8 && codec.Info.ColorType != SKColorType.Gray8)
            throw new ImageException($"The mask {name} is stored as {codec.Info.ColorType}; 8-bit grey is needed, the object's number in each pixel. Convert it (a palette to its indices).");
        CheckPixels(width, height, bytes.Length, name, limits);
        var bitmap = new SKBitmap(new SKImageInfo(width, height, colours, colours == SKColorType.Gray8 ? SKAlphaType.Opaque : SKAlphaType.Premul));
        var result = codec.GetPixels(bitmap.Info, bitmap.GetPixels());
        if (result != SKCodecResult.Success)
        {
            bitmap.Dispose();
            throw new ImageException($"The image {name} is damaged or cut short ({result}). Fetch or write it again.");
        }

        return ImagePixels.Upright(bitmap, codec.EncodedOrigin);
    }

    private static bool IsKnownFormat(ReadOnlySpan<byte> bytes) =>
        bytes.StartsWith<byte>([0x89, (byte)'P', (byte)'N', (byte)'G']) || IsJpeg(bytes) || bytes.StartsWith("BM"u8) || bytes.StartsWith("GIF8"u8)
        || (bytes.StartsWith("RIFF"u8) && bytes.Length > 12 && bytes[8..].StartsWith("WEBP"u8));

    private static bool IsJpeg(ReadOnlySpan<byte> bytes) => bytes.StartsWith<byte>([0xff, 0xd8, 0xff]);

    // Each scan of a progressive file may go over every pixel for a few bytes.
    private static void CheckScans(ReadOnlySpan<byte> bytes, string name, ImageLimits limits)
    {
        ReadOnlySpan<byte> startOfScan = [0xff, 0xda];
        if (IsJpeg(bytes) && bytes.Count(startOfScan) is var scans && scans > limits.JpegScans)
            throw new ImageException($"The image {name} has {scans} scans; the limit is {limits.JpegScans}. Write it again, or raise {nameof(ImageLimits)}.{nameof(ImageLimits.JpegScans)} if you trust it.");
    }

    private static void CheckPixels(int width, int height, int bytes, string name, ImageLimits limits)
    {
        var (pixels, most) = ((long)width * height, Math.Min(limits.Pixels, MaxPixels));
        if (pixels > most)
            throw new ImageException($"The image {name} is too large: {width} × {height} pixels, at most {most} are allowed. Make it smaller first.");
        if (pixels > SmallImage && pixels > limits.PixelsPerByte * bytes)
        {
            throw new ImageException(
                $"The image {name} has {width} × {height} pixels in {bytes} bytes, more than {limits.PixelsPerByte} pixels a byte: it would take {16 * pixels} bytes to read. "
                + $"Raise {nameof(ImageLimits)}.{nameof(ImageLimits.PixelsPerByte)} if you trust it.");
        }
    }

    private static ImageException TooManyBytes(string name, long bytes, ImageLimits limits) =>
        new($"The image {name} has {bytes} bytes; the limit is {limits.FileBytes}. Make it smaller, or raise {nameof(ImageLimits)}.{nameof(ImageLimits.FileBytes)} if you trust it.");
}
