namespace FilterPruning.Detection.Data.Scenes;

/// <summary>The picture while it is drawn: three planes of floats, not yet limited to 0 … 1, and what each pixel shows. Belongs to one thread at a time.</summary>
internal sealed class SceneCanvas(int width, int height)
{
    [ThreadStatic]
    private static SceneCanvas? _last;

    private float[] _scratch = new float[width * height];

    /// <summary>Pixels in a row.</summary>
    public int Width { get; } = width;

    /// <summary>Rows.</summary>
    public int Height { get; } = height;

    /// <summary>The red, green and blue planes, row-major, one after the other.</summary>
    public float[] Pixels { get; } = new float[3 * width * height];

    /// <summary>Row-major: 1 + the index of the item that covers a pixel, 0 for the background.</summary>
    public byte[] Owner { get; } = new byte[width * height];

    /// <summary>One plane for intermediate results; its content is left over from earlier use.</summary>
    public Span<float> Scratch => ScratchOf(Width * Height);

    /// <summary>This thread's canvas, whatever is on it; the buffers are too large to be made anew for each scene.</summary>
    public static SceneCanvas OfThisThread(int width, int height)
    {
        if (_last is null || _last.Width != width || _last.Height != height)
            _last = new SceneCanvas(width, height);
        return _last;
    }

    /// <summary>One plane: 0 red, 1 green, 2 blue.</summary>
    public Span<float> Plane(int channel) => Pixels.AsSpan(channel * Width * Height, Width * Height);

    /// <summary>A buffer for intermediate results; each call hands out the same one.</summary>
    public Span<float> ScratchOf(int length)
    {
        if (_scratch.Length < length)
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
