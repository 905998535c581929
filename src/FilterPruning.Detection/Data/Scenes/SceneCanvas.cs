namespace FilterPruning.Detection.Data.Scenes;

/// <summary>The picture while it is drawn: three planes of floats, not yet limited to 0 … 1.</summary>
internal sealed class SceneCanvas(int width, int height)
{
    [ThreadStatic]
    private static float[]? _scratch;

    /// <summary>Pixels in a row.</summary>
    public int Width { get; } = width;

    /// <summary>Rows.</summary>
    public int Height { get; } = height;

    /// <summary>The red, green and blue planes, row-major, one after the other.</summary>
    public float[] Pixels { get; } = new float[3 * width * height];

    /// <summary>One plane of this thread for intermediate results; its content is left over from earlier use.</summary>
    public Span<float> Scratch => ScratchOf(Width * Height);

    /// <summary>One plane: 0 red, 1 green, 2 blue.</summary>
    public Span<float> Plane(int channel) => Pixels.AsSpan(channel * Width * Height, Width * Height);

    /// <summary>A buffer of this thread; each call hands out the same one.</summary>
    public static Span<float> ScratchOf(int length)
    {
        if (_scratch is null || _scratch.Length < length)
            _scratch = new float[length];
        return _scratch.AsSpan(0, length);
    }

    /// <summary>Makes every pixel the colour.</summary>
    public void Fill(Rgb colour)
    {
        Plane(0).Fill(colour.R);
        Plane(1).Fill(colour.G);
        Plane(2).Fill(colour.B);
    }

    /// <summary>Adds a plane's values times a colour.</summary>
    public void Add(ReadOnlySpan<float> field, Rgb colour)
    {
        AddTo(Plane(0), field, colour.R);
        AddTo(Plane(1), field, colour.G);
        AddTo(Plane(2), field, colour.B);
    }

    private static void AddTo(Span<float> plane, ReadOnlySpan<float> field, float times)
    {
        for (var i = 0; i < plane.Length; i++)
            plane[i] += field[i] * times;
    }
}
