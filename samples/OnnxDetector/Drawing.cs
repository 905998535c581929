using SkiaSharp;

namespace OnnxDetector;

/// <summary>Draws masks, boxes and names into a picture.</summary>
internal static class Drawing
{
    private static readonly SKColor[] Colours = [SKColors.OrangeRed, SKColors.DodgerBlue, SKColors.LimeGreen, SKColors.Gold, SKColors.MediumOrchid, SKColors.Turquoise];

    public static void Draw(SKBitmap picture, IReadOnlyList<Found> found)
    {
        for (var i = 0; i < found.Count; i++)
            Tint(picture, found[i].Mask, Colours[i % Colours.Length]);
        using var canvas = new SKCanvas(picture);
        using var font = new SKFont(SKTypeface.Default, Math.Clamp(picture.Height / 40f, 9, 28));
        for (var i = 0; i < found.Count; i++)
        {
            var (name, score, box, _) = found[i];
            using var line = new SKPaint { Color = Colours[i % Colours.Length], Style = SKPaintStyle.Stroke, StrokeWidth = Math.Max(1, picture.Height / 300f) };
            using var fill = new SKPaint { Color = Colours[i % Colours.Length] };
            using var ink = new SKPaint { Color = SKColors.Black, IsAntialias = true };
            canvas.DrawRect(box, line);
            var text = FormattableString.Invariant($"{name} {score:0.00}");
            var top = Math.Max(0, box.Top - font.Size - 2);
            canvas.DrawRect(box.Left, top, font.MeasureText(text) + 4, font.Size + 2, fill);
            canvas.DrawText(text, box.Left + 2, top + font.Size - 1, font, ink);
        }
    }

    // Half the colour where the object is.
    private static void Tint(SKBitmap picture, float[] mask, SKColor colour)
    {
        var pixels = picture.Pixels;
        for (var i = 0; i < pixels.Length; i++)
        {
            if (mask[i] > 0.5f)
                pixels[i] = new SKColor((byte)((pixels[i].Red + colour.Red) / 2), (byte)((pixels[i].Green + colour.Green) / 2), (byte)((pixels[i].Blue + colour.Blue) / 2), pixels[i].Alpha);
        }

        picture.Pixels = pixels;
    }
}
