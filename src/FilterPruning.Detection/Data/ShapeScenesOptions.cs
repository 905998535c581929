namespace FilterPruning.Detection.Data;

/// <summary>
/// How <see cref="ShapeScenes"/> draws. The defaults are chosen so that a narrow ResNet-18-FPN learns the scenes from scratch in some ten thousand images, and is not perfect then.
/// Lower <see cref="Clutter"/>, <see cref="Occlusion"/>, <see cref="Noise"/>, <see cref="Blur"/> and <see cref="Texture"/>, or raise <see cref="Contrast"/>, for easier scenes.
/// </summary>
public sealed record ShapeScenesOptions
{
    /// <summary>Image width in pixels, 32 … 2048. Default 160.</summary>
    public int Width { get; init; } = 160;

    /// <summary>Image height in pixels, 32 … 2048. Default 160.</summary>
    public int Height { get; init; } = 160;

    /// <summary>Fewest objects that are placed in a scene that is not empty, 1 … 32. Fewer may be annotated: objects that end up hidden are left out. Default 1.</summary>
    public int MinObjects { get; init; } = 1;

    /// <summary>Most objects in a scene, <see cref="MinObjects"/> … 32. Default 7.</summary>
    public int MaxObjects { get; init; } = 7;

    /// <summary>Probability of a scene without objects, 0 … 1; such a scene still has its distractors. Default 0.04.</summary>
    public double EmptyProbability { get; init; } = 0.04;

    /// <summary>Smallest nominal diameter of an object as a share of the image's shorter side, above 0 … 1. Default 1/16 (10 pixels of 160).</summary>
    public double MinObjectScale { get; init; } = 1.0 / 16;

    /// <summary>Largest nominal diameter of an object as a share of the image's shorter side, <see cref="MinObjectScale"/> … 1. Small objects are more frequent than large ones. Default 9/16 (90 pixels of 160).</summary>
    public double MaxObjectScale { get; init; } = 9.0 / 16;

    /// <summary>Least distance of an object's colour from the mean colour beneath it (root mean square over R, G, B), 0 … 0.5. Default 0.2.</summary>
    public double Contrast { get; init; } = 0.2;

    /// <summary>Largest standard deviation of the pixel noise; each scene draws its own between 0 and this, 0 … 0.5. Default 0.04.</summary>
    public double Noise { get; init; } = 0.04;

    /// <summary>Mean number of distractors: crosses, arcs, crescents, hexagons, blobs and lines, which belong to no class, 0 … 32. Default 3.</summary>
    public double Clutter { get; init; } = 3;

    /// <summary>Probability that an object is put at or onto another one instead of beside it, and share of distractors that may lie in front of objects, 0 … 1. Default 0.3.</summary>
    public double Occlusion { get; init; } = 0.3;

    /// <summary>Largest blur; each scene draws its own between 0 and this. 1 is a standard deviation of 0.7 pixels. 0 … 1. Default 1.</summary>
    public double Blur { get; init; } = 1;

    /// <summary>Largest amplitude of the patterns on background and objects, 0 … 1. Default 0.25.</summary>
    public double Texture { get; init; } = 0.25;

    /// <summary>Largest strength of light falling off across the scene and of shadows, 0 … 1. Default 0.4.</summary>
    public double Lighting { get; init; } = 0.4;

    /// <summary>Fewest visible pixels of an object; one with fewer is left out of the picture altogether. At least 1. Default 40.</summary>
    public int MinVisiblePixels { get; init; } = 40;

    /// <summary>Least share of an object's pixels, those beyond the border counted in, that must be visible; one with less is left out of the picture altogether. 0 … 1. Default 0.3.</summary>
    public double MinVisibleFraction { get; init; } = 0.3;

    /// <summary>Throws one <see cref="ArgumentException"/> that lists every value out of its range.</summary>
    internal void Validate(string parameterName)
    {
        var errors = new List<string>();
        Check(nameof(Width), Width, 32, 2048);
        Check(nameof(Height), Height, 32, 2048);
        Check(nameof(MinObjects), MinObjects, 1, 32);
        Check(nameof(MaxObjects), MaxObjects, MinObjects, 32);
        Check(nameof(EmptyProbability), EmptyProbability, 0, 1);
        Check(nameof(MinObjectScale), MinObjectScale, 1e-3, 1);
        Check(nameof(MaxObjectScale), MaxObjectScale, MinObjectScale, 1);
        Check(nameof(Contrast), Contrast, 0, 0.5);
        Check(nameof(Noise), Noise, 0, 0.5);
        Check(nameof(Clutter), Clutter, 0, 32);
        Check(nameof(Occlusion), Occlusion, 0, 1);
        Check(nameof(Blur), Blur, 0, 1);
        Check(nameof(Texture), Texture, 0, 1);
        Check(nameof(Lighting), Lighting, 0, 1);
        Check(nameof(MinVisiblePixels), MinVisiblePixels, 1, int.MaxValue);
        Check(nameof(MinVisibleFraction), MinVisibleFraction, 0, 1);
        if (errors.Count > 0)
            throw new ArgumentException($"{nameof(ShapeScenesOptions)}: {string.Join("; ", errors)}.", parameterName);

        void Check(string name, double value, double low, double high)
        {
            // Written so that NaN fails.
            if (!(value >= low && value <= high))
                errors.Add($"{name} is {value}, allowed is {low} … {high}");
        }
    }
}
