using System.Runtime.InteropServices;
using SkiaSharp;

namespace FilterPruning.Detection.Data;

/// <summary>A picture of RGBA bytes to draw on. Everything outside it is cut off.</summary>
internal sealed class OverlayCanvas : IDisposable
{
    private readonly SKBitmap _bitmap;

    private OverlayCanvas(SKBitmap bitmap) => _bitmap = bitmap;

    public int Width => _bitmap.Width;

    public int Height => _bitmap.Height;

    private Span<uint> Pixels => MemoryMarshal.Cast<byte, uint>(_bitmap.GetPixelSpan());

    /// <summary>A canvas that shows an image.</summary>
    public static OverlayCanvas Of(Tensor image) => new(ImagePixels.ToBitmap(image, nameof(image)));

    /// <summary>A white canvas.</summary>
    public static OverlayCanvas Blank(int width, int height)
    {
        var canvas = new OverlayCanvas(new SKBitmap(new SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque)));
        canvas.Pixels.Fill(Pack(255, 255, 255));
        return canvas;
    }

    public byte[] EncodePng() => ImagePixels.EncodePng(_bitmap);

    public void Dispose() => _bitmap.Dispose();

    /// <summary>Copies another canvas to a place that has room for all of it.</summary>
    public void Put(OverlayCanvas other, int left, int top)
    {
        for (var y = 0; y < other.Height; y++)
            other.Pixels.Slice(y * other.Width, other.Width).CopyTo(Pixels[(((top + y) * Width) + left)..]);
    }

    /// <summary>Fills x1 … x2 − 1, y1 … y2 − 1.</summary>
    public void Fill(int x1, int y1, int x2, int y2, uint colour)
    {
        (x1, x2) = (Math.Clamp(x1, 0, Width), Math.Clamp(x2, 0, Width));
        for (var y = Math.Max(y1, 0); y < Math.Min(y2, Height) && x1 < x2; y++)
            Pixels[((y * Width) + x1)..((y * Width) + x2)].Fill(colour);
    }

    /// <summary>Draws the border of a rectangle, inside it.</summary>
    public void Frame(int x1, int y1, int x2, int y2, int thickness, uint colour)
    {
        Fill(x1, y1, x2, y1 + thickness, colour);
        Fill(x1, y2 - thickness, x2, y2, colour);
        Fill(x1, y1, x1 + thickness, y2, colour);
        Fill(x2 - thickness, y1, x2, y2, colour);
    }

    /// <summary>Colours a mask of this canvas's size (0 or 1) with an opacity of 0 … 256, and fully where it is nearer than <paramref name="outline"/> pixels to its edge.</summary>
    public void Mask(ReadOnlySpan<byte> mask, int opacity, int outline, uint colour)
    {
        var pixels = Pixels;
        for (var y = 0; y < Height; y++)
        {
            for (var x = 0; x < Width; x++)
            {
                var i = (y * Width) + x;
                if (mask[i] == 0)
                    continue;
                var within = x >= outline && y >= outline && x < Width - outline && y < Height - outline
                    && (mask[i - outline] & mask[i + outline] & mask[i - (outline * Width)] & mask[i + (outline * Width)]) != 0;
                pixels[i] = within ? Mix(pixels[i], colour, opacity) : colour;
            }
        }
    }

    /// <summary>Writes text whose top left dot is at the place; a dot is size × size pixels.</summary>
    public void Text(string text, int left, int top, int size, uint colour)
    {
        for (var i = 0; i < text.Length; i++)
        {
            for (var y = 0; y < PixelFont.Height; y++)
            {
                for (var x = 0; x < PixelFont.Advance - 1; x++)
                {
                    var (px, py) = (left + (((i * PixelFont.Advance) + x) * size), top + (y * size));
                    if (PixelFont.IsSet(text[i], x, y))
                        Fill(px, py, px + size, py + size, colour);
                }
            }
        }
    }

    /// <summary>A colour as it lies in memory.</summary>
    public static uint Pack(byte r, byte g, byte b) => BitConverter.ToUInt32([r, g, b, 255]);

    private static uint Mix(uint under, uint over, int opacity)
    {
        // Channel by channel, whatever the byte order.
        var mixed = 0u;
        for (var shift = 0; shift < 32; shift += 8)
        {
            var (a, b) = ((int)(under >> shift & 255), (int)(over >> shift & 255));
            mixed |= (uint)(a + (((b - a) * opacity) + 128 >> 8)) << shift;
        }

        return mixed;
    }
}
