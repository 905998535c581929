namespace FilterPruning.Detection.Data.Scenes;

/// <summary>Paints one item onto a canvas: its shadow, then its inside with pattern and shading, with soft edges one pixel wide.</summary>
internal static class ItemPainter
{
    /// <summary>Paints.</summary>
    public static void Paint(ref SplitMix64 random, SceneCanvas canvas, SceneItem item, SceneLight light, ShapeScenesOptions options)
    {
        var colour = ContrastingColour(ref random, MeanBeneath(canvas, item), (float)options.Contrast);
        var texture = (float)options.Texture;
        var second = Rgb.Random(ref random, -texture, texture);
        var rim = random.Chance(0.3) ? random.Range(-0.35f, 0.25f) : 0;
        var pattern = canvas.ScratchOf(item.Width * item.Height);
        var period = Math.Max(3, item.Shape.Radius * 0.35f);
        Pattern.Write(ref random, pattern, item.Width, period, Math.Max(period * 3, 5));
        var softness = random.Range(1f, SceneItem.Margin - 1);
        if (light.Shadow > 0)
            CastShadow(canvas, item, light, softness);
        PaintInside(canvas, item, light, colour, second, rim, pattern);
    }

    /// <summary>Random colours until one is far enough from what it will lie on; of twelve the farthest.</summary>
    private static Rgb ContrastingColour(ref SplitMix64 random, Rgb beneath, float contrast)
    {
        var (best, bestDistance) = (default(Rgb), -1f);
        for (var attempt = 0; attempt < 12 && bestDistance < contrast; attempt++)
        {
            var colour = Rgb.Random(ref random, 0.03f, 0.97f);
            var distance = colour.Distance(beneath);
            if (distance > bestDistance)
                (best, bestDistance) = (colour, distance);
        }

        return best;
    }

    private static Rgb MeanBeneath(SceneCanvas canvas, SceneItem item)
    {
        var (x0, y0, x1, y1) = item.Clip(canvas.Width, canvas.Height);
        var step = Math.Max(1, item.Width / 12);
        var plane = canvas.Width * canvas.Height;
        var (sum, count) = (default(Rgb), 0);
        for (var y = y0; y < y1; y += step)
        {
            var distances = item.Row(y);
            for (var x = x0; x < x1; x += step)
            {
                if (distances[x] >= 2)
                    continue;
                var at = ((item.Top + y) * canvas.Width) + item.Left + x;
                sum = sum.Plus(new Rgb(canvas.Pixels[at], canvas.Pixels[at + plane], canvas.Pixels[at + (2 * plane)]), 1);
                count++;
            }
        }

        return count == 0 ? sum : new Rgb(sum.R / count, sum.G / count, sum.B / count);
    }

    /// <summary>Darkens what lies beneath the item's outline, moved away from the light by whole pixels.</summary>
    private static void CastShadow(SceneCanvas canvas, SceneItem item, SceneLight light, float softness)
    {
        var length = 1.5f + (item.Shape.Radius * 0.1f);
        var (dx, dy) = ((int)MathF.Floor((light.X * length) + 0.5f), (int)MathF.Floor((light.Y * length) + 0.5f));
        var (left, top) = (item.Left + dx, item.Top + dy);
        var (x0, x1) = (Math.Max(0, -left), Math.Min(item.Width, canvas.Width - left));
        var (y0, y1) = (Math.Max(0, -top), Math.Min(item.Height, canvas.Height - top));
        var plane = canvas.Width * canvas.Height;
        for (var y = y0; y < y1; y++)
        {
            var distances = item.Row(y);
            var at = ((top + y) * canvas.Width) + left;
            for (var x = x0; x < x1; x++)
            {
                // Half dark at the outline, no shadow at a distance of `softness`.
                if (distances[x] >= softness)
                    continue;
                var depth = Math.Min(1, 0.5f - (0.5f * distances[x] / softness));
                var keep = 1 - (light.Shadow * depth);
                canvas.Pixels[at + x] *= keep;
                canvas.Pixels[at + x + plane] *= keep;
                canvas.Pixels[at + x + (2 * plane)] *= keep;
            }
        }
    }

    private static void PaintInside(SceneCanvas canvas, SceneItem item, SceneLight light, Rgb colour, Rgb second, float rim, ReadOnlySpan<float> pattern)
    {
        var (x0, y0, x1, y1) = item.Clip(canvas.Width, canvas.Height);
        var plane = canvas.Width * canvas.Height;
        var shadeScale = light.Shading / item.Shape.Radius;
        var rimDepth = Math.Max(1.2f, item.Shape.Radius * 0.08f);
        for (var y = y0; y < y1; y++)
        {
            var distances = item.Row(y);
            var line = pattern.Slice(y * item.Width, item.Width);
            var at = ((item.Top + y) * canvas.Width) + item.Left;
            var across = ((item.Top + y - item.Shape.CentreY) * light.Y) + ((item.Left - item.Shape.CentreX) * light.X);
            for (var x = x0; x < x1; x++)
            {
                // The share of the pixel inside, for an edge that is straight within it.
                var cover = 0.5f - distances[x];
                if (cover <= 0)
                    continue;
                cover = Math.Min(cover, 1);
                var shade = 1 - (shadeScale * (across + (x * light.X)));
                if (distances[x] > -rimDepth)
                    shade += rim;
                Blend(ref canvas.Pixels[at + x], cover, (colour.R + (line[x] * second.R)) * shade);
                Blend(ref canvas.Pixels[at + x + plane], cover, (colour.G + (line[x] * second.G)) * shade);
                Blend(ref canvas.Pixels[at + x + (2 * plane)], cover, (colour.B + (line[x] * second.B)) * shade);
            }
        }
    }

    private static void Blend(ref float pixel, float cover, float value) => pixel += cover * (value - pixel);
}
