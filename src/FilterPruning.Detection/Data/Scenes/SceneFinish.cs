namespace FilterPruning.Detection.Data.Scenes;

/// <summary>What a camera does to a finished picture: uneven light, blur, noise, and 8-bit pixels.</summary>
internal static class SceneFinish
{
    /// <summary>Applies all four in place.</summary>
    public static void Apply(ref SplitMix64 random, SceneCanvas canvas, SceneLight light, ShapeScenesOptions options)
    {
        var blur = 0.25f * (float)options.Blur * random.NextFloat();
        var noise = (float)options.Noise * random.NextFloat();
        for (var channel = 0; channel < 3; channel++)
        {
            var plane = canvas.Plane(channel);
            FallOff(plane, canvas.Width, light);
            Blur(plane, canvas.Scratch, canvas.Width, blur);
            AddNoiseAndRound(ref random, plane, noise);
        }
    }

    private static void FallOff(Span<float> plane, int width, SceneLight light)
    {
        var height = plane.Length / width;
        var (sx, sy) = (light.FallOff * light.X / width, light.FallOff * light.Y / height);
        for (var y = 0; y < height; y++)
        {
            var line = plane.Slice(y * width, width);
            var start = 1 - ((y - (0.5f * height)) * sy) + (0.5f * width * sx);
            for (var x = 0; x < line.Length; x++)
                line[x] *= start - (x * sx);
        }
    }

    /// <summary>A three-tap filter, side weight <paramref name="side"/>, along rows and then along columns; the border repeats.</summary>
    private static void Blur(Span<float> plane, Span<float> scratch, int width, float side)
    {
        var height = plane.Length / width;
        var middle = 1 - (2 * side);
        for (var y = 0; y < height; y++)
        {
            var from = plane.Slice(y * width, width);
            var to = scratch.Slice(y * width, width);
            to[0] = (from[0] * (middle + side)) + (from[1] * side);
            for (var x = 1; x < from.Length - 1; x++)
                to[x] = (from[x] * middle) + ((from[x - 1] + from[x + 1]) * side);
            to[^1] = (from[^1] * (middle + side)) + (from[^2] * side);
        }

        for (var y = 0; y < height; y++)
        {
            var above = scratch.Slice(Math.Max(y - 1, 0) * width, width);
            var here = scratch.Slice(y * width, width);
            var below = scratch.Slice(Math.Min(y + 1, height - 1) * width, width);
            var to = plane.Slice(y * width, width);
            for (var x = 0; x < to.Length; x++)
                to[x] = (here[x] * middle) + ((above[x] + below[x]) * side);
        }
    }

    /// <summary>Adds noise of a standard deviation and rounds to multiples of 1/255 in 0 … 1.</summary>
    private static void AddNoiseAndRound(ref SplitMix64 random, Span<float> plane, float deviation)
    {
        // The sum of four bytes is nearly normal: mean 510, variance 4 · (256² − 1) / 12 = 21845.
        var scale = deviation * 255 / 147.8f;
        for (var i = 0; i < plane.Length; i += 2)
        {
            var bits = random.Next();
            // Adds neighbouring bytes, then neighbouring pairs: two sums of four bytes.
            bits = (bits & 0x00FF00FF00FF00FF) + ((bits >> 8) & 0x00FF00FF00FF00FF);
            bits = (bits & 0x0000FFFF0000FFFF) + ((bits >> 16) & 0x0000FFFF0000FFFF);
            plane[i] = Round((plane[i] * 255) + (((int)(bits & 0xFFFF) - 510) * scale));
            if (i + 1 < plane.Length)
                plane[i + 1] = Round((plane[i + 1] * 255) + (((int)(bits >> 32) - 510) * scale));
        }
    }

    private static float Round(float value) => (int)(Math.Clamp(value, 0, 255) + 0.5f) / 255f;
}
