using System.Globalization;
using FilterPruning.Detection.Models;

namespace FilterPruning.Detection.Data;

/// <summary>
/// Pictures of detections: translucent masks with their outlines, boxes, class names and scores. Text is drawn with a built-in font and everything else with plain loops, so that a picture is the
/// same on every machine, those without fonts included.
/// </summary>
public static class DetectionOverlay
{
    // Twelve colours that differ in hue and lightness, of similar strength on photos.
    private static readonly (byte R, byte G, byte B)[] Palette =
    [
        (230, 60, 50), (60, 130, 240), (50, 180, 75), (250, 190, 30), (165, 80, 210), (30, 190, 200),
        (245, 130, 45), (235, 85, 165), (150, 205, 45), (95, 95, 225), (0, 135, 120), (175, 110, 60),
    ];

    /// <summary>Draws detections on an image and returns the picture as PNG.</summary>
    /// <param name="image">float32 <c>[3, H, W]</c>, RGB, 0 … 1.</param>
    /// <param name="detection">What was found on it; its masks must be of the image's size. Left alone.</param>
    /// <param name="classNames">Names without the background; label i is <c>classNames[i − 1]</c>, and "class i" where there is none. With one class alone each object has a colour of its own, otherwise each class.</param>
    /// <param name="options">How to draw; null takes the defaults.</param>
    /// <exception cref="ArgumentException">The image or the masks have another shape, or an option is out of its range.</exception>
    public static byte[] Draw(Tensor image, Models.Detection detection, IReadOnlyList<string> classNames, OverlayOptions? options = null)
    {
        using var canvas = Render(image, detection, classNames, options ?? new OverlayOptions());
        return canvas.EncodePng();
    }

    /// <summary>Draws several pictures in a row, each under its title (before and after pruning, say), and returns them as one PNG.</summary>
    /// <param name="panels">One or more.</param>
    /// <param name="classNames">As for <see cref="Draw"/>.</param>
    /// <param name="options">How to draw; null takes the defaults.</param>
    /// <exception cref="ArgumentException">There is no panel, or one cannot be drawn.</exception>
    public static byte[] SideBySide(IReadOnlyList<OverlayPanel> panels, IReadOnlyList<string> classNames, OverlayOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(panels);
        if (panels.Count == 0)
            throw new ArgumentException("There is no panel; give one or more.", nameof(panels));
        options ??= new OverlayOptions();
        var canvases = new List<OverlayCanvas>();
        try
        {
            foreach (var panel in panels)
                canvases.Add(Render(panel.Image, panel.Detection, classNames, options));
            return Join(canvases, panels, options);
        }
        finally
        {
            canvases.ForEach(canvas => canvas.Dispose());
        }
    }

    /// <summary>The annotations of an image in the form of detections with score 1, to draw the truth beside what was found.</summary>
    /// <param name="target">Left alone.</param>
    /// <returns>New tensors; the caller's.</returns>
    public static Models.Detection FromTarget(Target target)
    {
        ArgumentNullException.ThrowIfNull(target);
        using var masks = target.Masks.to(float32);
        return new Models.Detection(target.Boxes.clone(), target.Labels.clone(), ones([target.Labels.shape[0]], float32), masks.unsqueeze(1));
    }

    private static OverlayCanvas Render(Tensor image, Models.Detection detection, IReadOnlyList<string> classNames, OverlayOptions options)
    {
        ArgumentNullException.ThrowIfNull(detection);
        ArgumentNullException.ThrowIfNull(classNames);
        options.Validate(nameof(options));
        if (image is null || image.dim() != 3 || image.dtype != float32 || image.shape[0] != 3)
            throw new ArgumentException($"The image is {image?.dtype.ToString() ?? "null"} [{string.Join(", ", image?.shape ?? [])}]; float32 [3, H, W] is needed.", nameof(image));
        long[] expected = [detection.Count, 1, image.shape[1], image.shape[2]];
        if (!detection.Masks.shape.SequenceEqual(expected))
            throw new ArgumentException($"The masks are [{string.Join(", ", detection.Masks.shape)}]; for this image [{string.Join(", ", expected)}] is needed.", nameof(detection));

        using var scope = NewDisposeScope();
        var canvas = OverlayCanvas.Of(Zoom(image.detach().cpu().unsqueeze(0), options.Zoom).squeeze(0));
        var (boxes, labels, scores) = (Values<float>(detection.Boxes, float32), Values<long>(detection.Labels, int64), Values<float>(detection.Scores, float32));

        // The best last, on top; labels over all boxes.
        var shown = Enumerable.Range(0, detection.Count).Where(i => scores[i] >= options.ScoreThreshold).Reverse().ToArray();
        foreach (var i in shown)
        {
            using var inner = NewDisposeScope();
            var mask = Zoom(detection.Masks[i].detach().cpu().to(float32).unsqueeze(0), options.Zoom).ge(options.MaskThreshold).to(uint8).contiguous();
            canvas.Mask(mask.bytes, (int)Math.Round(options.MaskOpacity * 256), Thickness(options.Zoom), Pack(ColourOf(i)));
        }

        foreach (var i in shown)
            DrawBox(canvas, boxes.AsSpan(4 * i, 4), options.Zoom, Pack(ColourOf(i)));
        if (!options.ShowLabels)
            return canvas;
        foreach (var i in shown)
        {
            var name = labels[i] >= 1 && labels[i] <= classNames.Count ? classNames[(int)labels[i] - 1] : string.Create(CultureInfo.InvariantCulture, $"class {labels[i]}");
            DrawLabel(canvas, boxes.AsSpan(4 * i, 4), string.Create(CultureInfo.InvariantCulture, $"{name} {scores[i]:F2}"), options, ColourOf(i));
        }

        return canvas;

        (byte R, byte G, byte B) ColourOf(int i) => Palette[(int)((classNames.Count == 1 ? i : Math.Abs(labels[i] - 1)) % Palette.Length)];
    }

    private static void DrawBox(OverlayCanvas canvas, ReadOnlySpan<float> box, int zoom, uint colour)
    {
        var (x1, y1, x2, y2) = Pixel(box, zoom);
        canvas.Frame(x1, y1, x2, y2, Thickness(zoom), colour);
    }

    /// <summary>Above the box if there is room, else at its top; moved into the picture.</summary>
    private static void DrawLabel(OverlayCanvas canvas, ReadOnlySpan<float> box, string text, OverlayOptions options, (byte R, byte G, byte B) colour)
    {
        var size = TextSize(options, canvas.Width);
        var (width, height) = (((text.Length * PixelFont.Advance) + 1) * size, (PixelFont.Height + 2) * size);
        var (x1, y1, _, _) = Pixel(box, options.Zoom);
        var left = Math.Max(0, Math.Min(x1, canvas.Width - width));
        var top = y1 >= height ? y1 - height : Math.Max(0, Math.Min(y1, canvas.Height - height));
        canvas.Fill(left, top, left + width, top + height, Pack(colour));

        // Black on light colours, white on dark ones (luma of ITU-R BT.601).
        var light = (299 * colour.R) + (587 * colour.G) + (114 * colour.B) > 140_000;
        canvas.Text(text, left + size, top + size, size, light ? OverlayCanvas.Pack(0, 0, 0) : OverlayCanvas.Pack(255, 255, 255));
    }

    private static byte[] Join(List<OverlayCanvas> canvases, IReadOnlyList<OverlayPanel> panels, OverlayOptions options)
    {
        var size = TextSize(options, canvases[0].Width);
        var (gap, title) = (4 * size, (PixelFont.Height + 4) * size);
        using var sheet = OverlayCanvas.Blank(canvases.Sum(canvas => canvas.Width) + (gap * (canvases.Count - 1)), title + canvases.Max(canvas => canvas.Height));
        var left = 0;
        for (var i = 0; i < canvases.Count; i++)
        {
            sheet.Put(canvases[i], left, title);
            var room = (canvases[i].Width - size) / (PixelFont.Advance * size);
            sheet.Text(panels[i].Title[..Math.Min(panels[i].Title.Length, room)], left + size, 2 * size, size, OverlayCanvas.Pack(0, 0, 0));
            left += canvases[i].Width + gap;
        }

        return sheet.EncodePng();
    }

    private static int TextSize(OverlayOptions options, int width) => options.TextSize > 0 ? options.TextSize : Math.Max(1, width / 240);

    /// <summary>Pixels across frames and outlines.</summary>
    private static int Thickness(int zoom) => (zoom + 1) / 2;

    private static (int X1, int Y1, int X2, int Y2) Pixel(ReadOnlySpan<float> box, int zoom)
    {
        var (x1, y1) = (Round(box[0] * zoom), Round(box[1] * zoom));
        return (x1, y1, Math.Max(x1 + 1, Round(box[2] * zoom)), Math.Max(y1 + 1, Round(box[3] * zoom)));

        // NaN and what lies far outside would overflow.
        static int Round(float value) => float.IsNaN(value) ? 0 : (int)MathF.Floor(Math.Clamp(value, -1e6f, 1e6f) + 0.5f);
    }

    private static uint Pack((byte R, byte G, byte B) colour) => OverlayCanvas.Pack(colour.R, colour.G, colour.B);

    // [1, C, H, W] → [1, C, zoom · H, zoom · W]
    private static Tensor Zoom(Tensor image, int zoom) => zoom == 1
        ? image
        : nn.functional.interpolate(image, [image.shape[2] * zoom, image.shape[3] * zoom], mode: InterpolationMode.Bilinear, align_corners: false);

    private static T[] Values<T>(Tensor tensor, ScalarType type)
        where T : unmanaged => tensor.numel() == 0 ? [] : tensor.detach().cpu().to(type).contiguous().data<T>().ToArray(); // ToArray of an empty tensor throws
}
