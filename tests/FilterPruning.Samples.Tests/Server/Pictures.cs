using System.Buffers.Binary;
using FilterPruning.Detection.Data;
using SkiaSharp;

namespace FilterPruning.Samples.Tests.Server;

/// <summary>Pictures and things that are none.</summary>
internal static class Pictures
{
    /// <summary>A sample scene of 160 × 160 pixels as PNG.</summary>
    public static byte[] Scene(int number = 0)
    {
        using var scope = NewDisposeScope();
        return ImageFile.EncodePng(ShapeScenes.Create(number + 1, seed: 1_000_000).Load(number).Image);
    }

    /// <summary>A grey picture.</summary>
    public static byte[] Blank(int width, int height, SKEncodedImageFormat format = SKEncodedImageFormat.Png)
    {
        using var bitmap = new SKBitmap(new SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque));
        bitmap.Erase(SKColors.Gray);
        using var data = bitmap.Encode(format, 90);
        return data.ToArray();
    }

    /// <summary>A picture whose first bytes say that it is larger than any memory.</summary>
    public static byte[] Claiming(int width, int height)
    {
        var png = Blank(8, 8);
        // After the signature: length, "IHDR", width, height, …; then the chunk's checksum over type and data.
        BinaryPrimitives.WriteInt32BigEndian(png.AsSpan(16), width);
        BinaryPrimitives.WriteInt32BigEndian(png.AsSpan(20), height);
        BinaryPrimitives.WriteUInt32BigEndian(png.AsSpan(29), Crc(png.AsSpan(12, 17)));
        return png;
    }

    // PNG specification, annex D.
    private static uint Crc(ReadOnlySpan<byte> bytes)
    {
        var crc = uint.MaxValue;
        foreach (var value in bytes)
        {
            crc ^= value;
            for (var bit = 0; bit < 8; bit++)
                crc = (crc & 1) != 0 ? 0xedb88320 ^ (crc >> 1) : crc >> 1;
        }

        return ~crc;
    }
}
