namespace FilterPruning.Detection.Data.Scenes;

/// <summary>Repeating and random patterns, for backgrounds and for the insides of shapes alike.</summary>
internal static class Pattern
{
    private enum Kind
    {
        Plain,
        Gradient,
        Stripes,
        Checks,
        Dots,
        Noise,
    }

    /// <summary>Writes a random pattern, −1 … 1, over a rectangle.</summary>
    /// <param name="random">Decides which pattern, its direction, period and place.</param>
    /// <param name="field">width × height values, overwritten.</param>
    /// <param name="width">Pixels in a row.</param>
    /// <param name="minPeriod">Shortest period in pixels.</param>
    /// <param name="maxPeriod">Longest period in pixels.</param>
    public static void Write(ref SplitMix64 random, Span<float> field, int width, float minPeriod, float maxPeriod)
    {
        var kind = (Kind)random.NextInt(6);
        var period = random.Range(minPeriod, maxPeriod);
        var (cos, sin) = Turn.Direction(random.NextFloat());
        var phase = random.NextFloat();
        var sharpness = random.Range(1.2f, 5f);
        field.Clear();
        if (kind == Kind.Plain)
            return;
        if (kind == Kind.Noise)
        {
            ValueNoise.Add(ref random, field, width, Math.Max(1.5f, period * 0.5f), 1);
            return;
        }

        var height = field.Length / width;
        var scale = kind == Kind.Gradient ? 1f / (width + height) : 1 / period;
        (cos, sin) = (cos * scale, sin * scale);
        for (var y = 0; y < height; y++)
        {
            var line = field.Slice(y * width, width);
            var (u, v) = ((y * sin) + phase, y * cos);
            switch (kind)
            {
                case Kind.Gradient:
                    for (var x = 0; x < line.Length; x++)
                        line[x] = Clamp(2 * ((x * cos) + u - phase));
                    break;
                case Kind.Stripes:
                    for (var x = 0; x < line.Length; x++)
                        line[x] = Clamp(Wave((x * cos) + u) * sharpness);
                    break;
                case Kind.Checks:
                    for (var x = 0; x < line.Length; x++)
                        line[x] = Clamp(Wave((x * cos) + u) * sharpness) * Clamp(Wave(v - (x * sin)) * sharpness);
                    break;
                default:
                    for (var x = 0; x < line.Length; x++)
                        line[x] = Clamp((Wave((x * cos) + u) + Wave(v - (x * sin)) - 0.6f) * sharpness);
                    break;
            }
        }
    }

    /// <summary>A triangle wave of period 1 between −1 and 1.</summary>
    private static float Wave(float t) => (4 * Math.Abs(t - MathF.Floor(t) - 0.5f)) - 1;

    private static float Clamp(float value) => Math.Min(Math.Max(value, -1), 1);
}
