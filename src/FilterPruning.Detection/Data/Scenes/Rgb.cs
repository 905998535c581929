namespace FilterPruning.Detection.Data.Scenes;

/// <summary>A colour, or a difference of colours; 0 … 1 is what a pixel can show.</summary>
internal readonly record struct Rgb(float R, float G, float B)
{
    /// <summary>Any colour, uniform over the cube between the two values.</summary>
    public static Rgb Random(ref SplitMix64 random, float low, float high)
    {
        var (r, g, b) = (random.Range(low, high), random.Range(low, high), random.Range(low, high));
        return new Rgb(r, g, b);
    }

    /// <summary>This plus a multiple of another.</summary>
    public Rgb Plus(Rgb other, float times) => new(R + (other.R * times), G + (other.G * times), B + (other.B * times));

    /// <summary>Root mean square difference of the three parts.</summary>
    public float Distance(Rgb other)
    {
        var (r, g, b) = (R - other.R, G - other.G, B - other.B);
        return MathF.Sqrt(((r * r) + (g * g) + (b * b)) / 3);
    }
}
