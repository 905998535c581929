using System.Runtime.InteropServices;
using SkiaSharp;

namespace FilterPruning.Detection.Data;

/// <summary>Converts between SkiaSharp's interleaved bytes and planar float tensors, a row at a time.</summary>
internal static class ImagePixels
{
    private static readonly float[] Unit = [.. Enumerable.Range(0, 256).Select(value => value / 255f)];

    /// <summary>Makes float32 <c>[3, H, W]</c>, 0 … 1, of a bitmap in RGBA.</summary>
    public static Tensor ToTensor(SKBitmap bitmap)
    {
        var (width, height) = (bitmap.Width, bitmap.Height);
        var image = empty([3, height, width], float32);
        var planes = MemoryMarshal.Cast<byte, float>(image.bytes);
        var (red, green, blue) = (0, width * height, 2 * width * height);
        var pixels = bitmap.GetPixelSpan();
        for (var y = 0; y < height; y++)
        {
            var row = pixels.Slice(y * bitmap.RowBytes, 4 * width);
            for (var x = 0; x < row.Length; x += 4)
            {
                planes[red++] = Unit[row[x]];
                planes[green++] = Unit[row[x + 1]];
                planes[blue++] = Unit[row[x + 2]];
            }
        }

        return image;
    }

    /// <summary>Makes an opaque RGBA bitmap of float32 <c>[3, H, W]</c>; values outside 0 … 1 are limited, NaN becomes 0.</summary>
    public static SKBitmap ToBitmap(Tensor image, string parameterName)
    {
        if (image is null || image.dtype != float32 || image.dim() != 3 || image.shape[0] != 3 || image.shape[1] < 1 || image.shape[2] < 1)
        {
            var given = image is null ? "null" : $"{image.dtype} [{string.Join(", ", image.shape)}]";
            throw new ArgumentException($"The image is {given}; float32 [3, H, W] is needed, RGB with values in 0 … 1.", parameterName);
        }

        using var scope = NewDisposeScope();
        var planes = MemoryMarshal.Cast<byte, float>(image.detach().cpu().contiguous().bytes);
        var bitmap = new SKBitmap(new SKImageInfo((int)image.shape[2], (int)image.shape[1], SKColorType.Rgba8888, SKAlphaType.Opaque));
        var (red, green, blue) = (0, bitmap.Width * bitmap.Height, 2 * bitmap.Width * bitmap.Height);
        var pixels = bitmap.GetPixelSpan();
        for (var y = 0; y < bitmap.Height; y++)
        {
            var row = pixels.Slice(y * bitmap.RowBytes, 4 * bitmap.Width);
            for (var x = 0; x < row.Length; x += 4)
            {
                row[x] = ToByte(planes[red++]);
                row[x + 1] = ToByte(planes[green++]);
                row[x + 2] = ToByte(planes[blue++]);
                row[x + 3] = 255;
            }
        }

        return bitmap;
    }

    /// <summary>Encodes a bitmap as PNG, without loss.</summary>
    public static byte[] EncodePng(SKBitmap bitmap)
    {
        using var data = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        return data.ToArray();
    }

    /// <summary>Turns a bitmap so that it stands as its EXIF orientation says; the bitmap is returned as it is, or disposed and replaced.</summary>
    public static SKBitmap Upright(SKBitmap bitmap, SKEncodedOrigin origin)
    {
        if (origin is SKEncodedOrigin.TopLeft or SKEncodedOrigin.Default)
            return bitmap;
        using (bitmap)
        {
            var (w, h) = (bitmap.Width, bitmap.Height);
            var swaps = origin is SKEncodedOrigin.LeftTop or SKEncodedOrigin.RightTop or SKEncodedOrigin.RightBottom or SKEncodedOrigin.LeftBottom;
            var size = bitmap.BytesPerPixel;
            var turned = new SKBitmap(bitmap.Info.WithSize(swaps ? h : w, swaps ? w : h));
            var from = bitmap.GetPixelSpan();
            var to = turned.GetPixelSpan();
            for (var y = 0; y < turned.Height; y++)
            {
                for (var x = 0; x < turned.Width; x++)
                {
                    var (sx, sy) = Source(origin, x, y, w, h);
                    from.Slice((sy * bitmap.RowBytes) + (sx * size), size).CopyTo(to[((y * turned.RowBytes) + (x * size))..]);
                }
            }

            return turned;
        }
    }

    /// <summary>Where the upright pixel (x, y) is stored in a picture of w × h; the names say at which corner the stored first row and column stand.</summary>
    private static (int X, int Y) Source(SKEncodedOrigin origin, int x, int y, int w, int h) => origin switch
    {
        SKEncodedOrigin.TopRight => (w - 1 - x, y),
        SKEncodedOrigin.BottomRight => (w - 1 - x, h - 1 - y),
        SKEncodedOrigin.BottomLeft => (x, h - 1 - y),
        SKEncodedOrigin.LeftTop => (y, x),
        SKEncodedOrigin.RightTop => (y, h - 1 - x),
        SKEncodedOrigin.RightBottom => (w - 1 - y, h - 1 - x),
        SKEncodedOrigin.LeftBottom => (w - 1 - y, x),
        _ => (x, y),
    };

    private static byte ToByte(float value) => value > 0 ? (byte)(Math.Min(value, 1) * 255 + 0.5f) : (byte)0;
}
